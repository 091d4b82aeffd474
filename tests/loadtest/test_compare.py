"""Comparisons: a difference that is there is shown, one that is chance is not."""

import pytest
from support.load_reports import report, scenario, seconds

from loadtest.analysis.compare import compare
from loadtest.analysis.report import Report
from loadtest.errors import ReportUnusable


def run(median: float, rate: int, seed: int) -> Report:
    return report(40.0, seconds(40, median, rate, seed=seed), ask=scenario(1_000, 40 * rate))


def test_a_slower_run_is_shown_to_be_slower() -> None:
    differences = {one.figure: one for one in compare(run(0.010, 100, 1), run(0.012, 100, 2), repeats=300)}
    for figure, slower in (("p50", 0.002), ("p90", 0.0033)):
        assert differences[figure].shown
        assert not differences[figure].better
        assert differences[figure].low < slower * 1.1
        assert differences[figure].high > slower * 0.9
    assert not differences["rps"].shown


def test_a_faster_run_is_better() -> None:
    differences = {one.figure: one for one in compare(run(0.010, 100, 1), run(0.010, 150, 2), repeats=300)}
    assert differences["rps"].shown
    assert differences["rps"].better
    assert differences["rps"].low <= 50 <= differences["rps"].high


def test_two_runs_of_one_thing_differ_by_chance() -> None:
    shown = [
        one.shown
        for seed in range(10)
        for one in compare(run(0.010, 60, seed), run(0.010, 60, 100 + seed), repeats=200)
    ]
    # 95 % intervals: some are wrong, few are.
    assert sum(shown) <= 0.2 * len(shown)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ReportUnusable, match="seconds"):
        compare(report(5.0, seconds(5, 0.01, 10, seed=1), ask=scenario(1, 1)), run(0.01, 10, 1))
    with pytest.raises(ReportUnusable, match="in common"):
        compare(report(relay=scenario(1, 1)), run(0.01, 10, 1))
