"""The rotation rule: one key issues, at most so many older ones are taken, boundaries are everybody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.keyring import ClockAhead, ClockSetBack, Phase, Schedule

DAY = 86_400
schedules = st.builds(Schedule, st.integers(1, 10 * DAY), st.integers(0, 4))
moments = st.floats(0, 4e9, allow_nan=False)


@given(schedules, moments)
def test_one_key_issues_and_no_more_than_allowed_are_taken(schedule: Schedule, now: float) -> None:
    epochs = range(schedule.epoch(now) - 8, schedule.epoch(now) + 4)
    phases = [schedule.phase(epoch, now) for epoch in epochs]
    assert phases.count(Phase.ISSUING) == 1
    assert phases.count(Phase.PUBLISHED) == 1
    assert phases.count(Phase.REDEEMABLE) == schedule.redeemable


@given(schedules, moments)
def test_live_are_exactly_those_that_are_published_in_a_directory(schedule: Schedule, now: float) -> None:
    live = schedule.live(now)
    assert live == sorted(live, reverse=True)
    assert schedule.phase(live[0], now) is Phase.PUBLISHED
    assert schedule.phase(live[1], now) is Phase.ISSUING
    assert all(schedule.phase(epoch, now) is Phase.REDEEMABLE for epoch in live[2:])
    assert schedule.phase(live[0] + 1, now) is Phase.FUTURE
    assert schedule.phase(live[-1] - 1, now) is Phase.DEAD


@given(schedules, st.integers(0, 50_000))
def test_a_key_goes_through_its_phases_at_the_stated_times(schedule: Schedule, epoch: int) -> None:
    start, end, death = schedule.start(epoch), schedule.end(epoch), schedule.death(epoch)
    assert schedule.phase(epoch, start) is Phase.ISSUING
    assert schedule.phase(epoch, end - 0.5) is Phase.ISSUING
    assert schedule.phase(epoch, end) is not Phase.ISSUING
    assert schedule.phase(epoch, death) is Phase.DEAD
    assert schedule.phase(epoch, death - 0.5) is not Phase.DEAD


@given(schedules, moments)
def test_the_boundary_is_ahead_and_not_further_than_a_period(schedule: Schedule, now: float) -> None:
    left = schedule.until_boundary(now)
    assert 0 < left <= schedule.period


def test_days_are_utc_days() -> None:
    assert Schedule(DAY).start(Schedule(DAY).epoch(1_700_000_000)) == 1_699_920_000


def test_a_clock_that_was_set_back_is_refused() -> None:
    schedule = Schedule(DAY)
    assert schedule.require_forward(9, 10 * DAY) == 10
    assert schedule.require_forward(10, 10 * DAY) == 10
    with pytest.raises(ClockSetBack):
        schedule.require_forward(11, 10 * DAY)


def test_a_clock_that_is_a_little_behind_follows_the_others() -> None:
    schedule = Schedule(DAY)
    assert schedule.require_forward(10, 10 * DAY - 2, tolerance=2) == 10
    with pytest.raises(ClockSetBack):
        schedule.require_forward(10, 10 * DAY - 3, tolerance=2)


def test_a_clock_goes_one_epoch_at_a_time() -> None:
    schedule = Schedule(DAY)
    assert schedule.require_step(9, 10 * DAY) == 10
    assert schedule.require_step(10, 10 * DAY) == 10
    with pytest.raises(ClockAhead):
        schedule.require_step(8, 10 * DAY)


@pytest.mark.parametrize(("period", "redeemable"), [(0, 1), (-1, 1), (1, -1)])
def test_a_rule_that_means_nothing_is_refused(period: int, redeemable: int) -> None:
    with pytest.raises(ValueError, match="period"):
        Schedule(period, redeemable)
