"""When requests are due: rates, shares of processes, chance that repeats."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.throttle.arrivals import Step, schedule
from loadtest.throttle.knee import StepFigures, knee


@given(st.floats(0.5, 2000), st.floats(1, 5), st.integers(1, 4))
def test_processes_together_keep_the_rate(rate: float, seconds: float, processes: int) -> None:
    steps = [Step(rate, seconds)]
    due = sorted(
        one.after
        for number in range(processes)
        for one in schedule(steps, "constant", seed=1, share=1 / processes, offset=number / processes)
    )
    assert abs(len(due) - rate * seconds) <= processes
    assert all(0 <= moment <= seconds * 1e9 for moment in due)
    distance = 1e9 / rate
    assert all(after - before == pytest.approx(distance, rel=0.01, abs=2) for before, after in pairwise(due))


def test_chance_keeps_the_rate_and_repeats() -> None:
    steps = [Step(500, 20)]
    first, again, other = ([one.after for one in schedule(steps, "poisson", seed=seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == pytest.approx(10_000, rel=0.05)
    gaps = [after - before for before, after in pairwise(first)]
    mean = sum(gaps) / len(gaps)
    # Of exponential gaps the deviation is as large as the mean.
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


def test_steps_follow_each_other() -> None:
    due = list(schedule([Step(10, 1), Step(20, 1)], "constant", seed=1))
    assert [one.step for one in due] == [0] * 10 + [1] * 20
    assert due[10].after == 1_000_000_000


def figures(offered: float, answered: float, p99: float, *, limited: bool = False) -> StepFigures:
    return StepFigures(offered, answered, p99, limited)


def test_the_knee_is_the_last_rate_that_was_carried() -> None:
    calm = [figures(100, 100, 0.01), figures(200, 199, 0.012)]
    assert knee(calm).rate == 200
    assert knee(calm).why == ""
    assert knee([*calm, figures(400, 300, 0.02)]).rate == 200
    assert "only 300/s" in knee([*calm, figures(400, 300, 0.02)]).why
    assert knee([*calm, figures(400, 400, 0.5)]).rate == 200
    assert "generator" in knee([*calm, figures(400, 400, 0.01, limited=True)]).why
    assert knee([figures(100, 10, 0.01)]).rate == 0
