"""What the relay waits for at its start."""

from relay.waiting import Waiting
from tacita.service.readiness import Readiness


def begun(**gateways: tuple[str, ...]) -> tuple[Waiting, Readiness]:
    readiness = Readiness()
    waiting = Waiting(readiness)
    for name, documents in gateways.items():
        waiting.begin(name, documents)
    return waiting, readiness


def test_every_document_is_waited_for() -> None:
    waiting, readiness = begun(a=("x", "y"))
    waiting.seen("a", "x", "fetched")
    waiting.seen("a", "y", "status")
    assert readiness.missing == ["a/y"]
    waiting.seen("a", "y", "fetched")
    assert readiness.ready


def test_what_has_failed_is_not_waited_for_where_another_gateway_is_complete() -> None:
    waiting, readiness = begun(a=("x",), b=("x", "y"))
    waiting.seen("b", "x", "unreachable")
    assert sorted(readiness.missing) == ["a/x", "b/x", "b/y"]
    waiting.seen("a", "x", "fetched")
    assert readiness.missing == ["b/y"], "it has not been looked at yet"
    waiting.seen("b", "y", "timeout")
    assert readiness.ready


def test_nothing_later_makes_it_unready() -> None:
    waiting, readiness = begun(a=("x",))
    waiting.seen("a", "x", "fetched")
    waiting.seen("a", "x", "lost")
    waiting.seen("b", "x", "lost")
    assert readiness.ready


def test_a_gateway_that_is_removed_is_not_waited_for() -> None:
    waiting, readiness = begun(a=("x", "y"))
    waiting.seen("a", "x", "fetched")
    waiting.forget("a")
    waiting.forget("b")
    assert readiness.ready
