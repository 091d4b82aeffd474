import pytest

from tacita.service.readiness import Readiness


def test_ready_when_everything_holds() -> None:
    readiness = Readiness(["store", "keys"])
    assert readiness.missing == ["store", "keys"]
    readiness.set("keys", holds=True)
    assert not readiness.ready
    readiness.set("store", holds=True)
    assert readiness.ready
    readiness.set("keys", holds=False)
    assert readiness.missing == ["keys"]


def test_nothing_to_wait_for() -> None:
    assert Readiness().ready


def test_one_more_condition_can_be_required() -> None:
    readiness = Readiness()
    readiness.require("listening")
    assert readiness.missing == ["listening"]
    readiness.set("listening", holds=True)
    assert readiness.ready


def test_a_stop_is_for_good() -> None:
    readiness = Readiness(["store"])
    readiness.stop()
    readiness.set("store", holds=True)
    assert readiness.missing == ["stopping"]
    assert not readiness.ready


def test_another_condition_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        Readiness(["store"]).set("stroe", holds=True)
