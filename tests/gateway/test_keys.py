"""Keys that turn over by a simulated clock: next, current, grace, erasure, and clocks that lie."""

from pathlib import Path

import pytest
from support.key_instances import DAY, EPOCH, GRACE, MIDNIGHT, Instance

from gateway.key_state import KEMS, KeyState
from gateway.keys import Turned
from tacita.crypto.hpke import Kem
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import ConfigError


@pytest.fixture
def one(tmp_path: Path) -> Instance:
    return Instance(tmp_path / "one")


# One instance through its epochs


def test_the_first_start_begins_a_chain_and_a_restart_goes_on_with_it(one: Instance) -> None:
    assert one.turn() == Turned(EPOCH, begun=True, changed=True)
    first = one.published
    assert one.turn() == Turned(EPOCH)
    one.restart()
    assert one.turn() == Turned(EPOCH, changed=True)
    assert one.published == first


def test_next_is_listed_after_current_and_taken_from_the_moment_it_is_published(one: Instance) -> None:
    one.turn()
    kems = [config.kem for config in one.published]
    assert kems == [Kem.X25519, Kem.P256, Kem.X25519, Kem.P256]
    assert one.ids == [(8 * epoch + suite) % 256 for epoch in (EPOCH, EPOCH + 1) for suite in (0, 1)]
    assert all(one.takes(config) for config in one.published)
    assert one.keyring.shown.until == MIDNIGHT


def test_at_the_boundary_next_becomes_current_and_the_old_stays_for_the_grace(one: Instance) -> None:
    one.turn()
    old, following = one.published[:2], one.published[2:]
    one.at(MIDNIGHT - 0.001)
    assert one.published == (*old, *following)
    assert one.at(MIDNIGHT) == Turned(EPOCH + 1, steps=1, changed=True)
    assert one.published[:2] == following
    assert all(one.takes(config) for config in (*old, *one.published))
    assert not set(old) & set(one.published)
    one.at(MIDNIGHT + GRACE - 0.001)
    assert all(one.takes(config) for config in old)
    assert one.at(MIDNIGHT + GRACE) == Turned(EPOCH + 1, erased=True, changed=True)
    assert not any(one.takes(config) for config in old)
    assert all(one.takes(config) for config in one.published)


def test_the_state_holds_no_secret_of_the_past_but_for_the_grace(one: Instance) -> None:
    one.turn()
    chain = one.state.link
    one.at(MIDNIGHT)
    assert one.state.link == chain.following()
    assert one.state.retired is not None
    assert one.state.retired.keys == chain.keys([Kem.X25519, Kem.P256])
    assert one.state.retired.until == MIDNIGHT + GRACE
    one.at(MIDNIGHT + GRACE)
    assert one.state == KeyState(DAY, chain.following())
    assert [path.name for path in one.folder.iterdir()] == ["chain.key"]


def test_a_restart_within_the_grace_still_takes_the_old_keys(one: Instance) -> None:
    one.turn()
    old = one.published[0]
    one.at(MIDNIGHT + 1)
    one.restart()
    one.turn()
    assert one.takes(old)
    one.clock.now = MIDNIGHT + GRACE
    one.restart()
    one.turn()
    assert not one.takes(old)
    assert one.state.retired is None


def test_a_start_after_the_grace_keeps_nothing_of_the_epoch_before(one: Instance) -> None:
    one.turn()
    one.clock.now = MIDNIGHT + GRACE
    one.restart()
    one.turn()
    assert one.state.retired is None


def test_a_shorter_grace_counts_at_once(one: Instance) -> None:
    one.turn()
    one.at(MIDNIGHT + 100)
    one.grace = 50
    one.restart()
    assert one.turn().erased
    assert one.state.retired is None


def test_old_keys_are_forgotten_in_time_though_the_file_is_gone(one: Instance) -> None:
    one.turn()
    old = one.published[0]
    one.at(MIDNIGHT)
    (one.folder / "chain.key").unlink()
    one.clock.now = MIDNIGHT + GRACE
    with pytest.raises(ConfigError, match="was lost; bring it back"):
        one.turn()
    assert not one.takes(old)
    assert all(one.takes(config) for config in one.published)
    assert not (one.folder / "chain.key").exists(), "no other chain is begun while it runs"


def test_it_wakes_at_the_boundary_and_at_the_end_of_the_grace(one: Instance) -> None:
    one.turn()
    assert one.keyring.wait() == 1.0
    one.clock.now = MIDNIGHT - 0.25
    assert one.keyring.wait() == 0.25
    one.at(MIDNIGHT)
    one.clock.now = MIDNIGHT + GRACE - 0.125
    assert one.keyring.wait() == 0.125
    one.at(MIDNIGHT + GRACE)
    assert one.keyring.wait() == 1.0


@pytest.mark.parametrize("after", [("xwing", "x25519", "p256"), ("p256", "x25519"), ("p256",)])
def test_other_kems_leave_the_rest_as_it_was(one: Instance, after: tuple[str, ...]) -> None:
    one.turn()
    one.at(MIDNIGHT)
    before = {*one.published}
    retired = one.state.retired
    one.kems = after
    one.restart()
    assert not one.turn().steps
    assert [config.kem for config in one.published] == 2 * [KEMS[name] for name in after]
    kept = {config for config in before if config.kem in [KEMS[name] for name in after]}
    assert kept == {config for config in one.published if config.kem is not Kem.XWING}
    assert all(one.takes(config) for config in one.published)
    assert not any(one.takes(config) for config in before - kept), "only what is advertised"
    assert one.state.retired == retired


# Clocks


def test_a_clock_ahead_by_more_than_a_period_is_fatal_before_anything_is_erased(one: Instance) -> None:
    one.turn()
    before = (one.folder / "chain.key").read_bytes()
    for running in (True, False):
        if not running:
            one.restart()
        with pytest.raises(ClockAhead, match="rotate --accept-gap"):
            one.at(MIDNIGHT + DAY)
        assert (one.folder / "chain.key").read_bytes() == before
    assert one.at(MIDNIGHT + DAY - 1).steps == 1


def test_a_gap_is_accepted_on_demand_and_ends_at_the_same_chain(one: Instance) -> None:
    one.turn()
    link = one.state.link
    one.clock.now = MIDNIGHT + 9 * DAY
    one.restart()
    assert one.turn(accept_gap=True).steps == 10
    for _ in range(9):
        link = link.following()
    assert one.state.link == link.following()
    assert one.state.retired is not None
    assert one.state.retired.keys == link.keys([Kem.X25519, Kem.P256])


def test_a_clock_that_is_set_ahead_again_and_again_does_not_turn_the_ratchet(one: Instance) -> None:
    one.turn()
    one.leap(DAY)
    assert one.turn().steps == 1, "once it cannot be told from the passing of time"
    before = one.state
    one.leap(DAY)
    with pytest.raises(ClockAhead, match="the time that has passed"):
        one.turn()
    assert one.state == before


def test_a_machine_that_is_paused_now_and_then_is_no_clock_that_is_set_ahead(one: Instance) -> None:
    one.turn()
    for day in range(100):
        one.leap(3600)
        one.at(MIDNIGHT + day * DAY)
    one.leap(DAY)
    one.turn()
    before = one.state
    one.leap(DAY)
    with pytest.raises(ClockAhead, match="the time that has passed"):
        one.turn()
    assert one.state == before, "what was passed by without a leap earns none"


def test_a_clock_set_back_is_fatal(one: Instance) -> None:
    one.turn()
    one.at(MIDNIGHT)
    before = one.state
    assert one.at(MIDNIGHT - 5).epoch == EPOCH + 1, "a few seconds are a clock that is being disciplined"
    for _ in range(2):
        with pytest.raises(ClockSetBack, match="set it right"):
            one.at(MIDNIGHT - 5.001)
        one.restart()
    assert one.state == before
