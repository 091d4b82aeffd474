"""The simulation of docs/scaling.md: the same each time, and right where it can be worked out by hand."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.simulation import Demand, plot, simulate

_STEADY = Demand(peak=1_000.0, trough=1.0, noise=0.0, days=28)


def test_the_same_seed_gives_the_same_hours() -> None:
    assert simulate(Demand(), seed=7) == simulate(Demand(), seed=7)
    assert simulate(Demand(), seed=7) != simulate(Demand(), seed=8)


def test_each_spend_is_one_entry_until_a_key_dies() -> None:
    hours = simulate(_STEADY)
    for hour in hours[: 14 * 24]:
        assert hour.entries == pytest.approx(1_000.0 * 3_600 * (hour.at + 1))


def test_a_dead_key_takes_its_whole_partition_with_it() -> None:
    hours = simulate(_STEADY)
    before, after = hours[14 * 24 - 1], hours[14 * 24]
    assert 0 in before.partitions
    assert 0 not in after.partitions
    assert after.entries == pytest.approx(before.entries - before.partitions[0] + 1_000.0 * 3_600)


def test_no_more_than_two_keys_have_entries() -> None:
    for demand in (_STEADY, replace(_STEADY, rotation_days=1, key_days=2)):
        assert max(len(hour.partitions) for hour in simulate(demand)) == 2


def test_memory_follows_entries() -> None:
    for hour in simulate(replace(_STEADY, entry_bytes=97.0)):
        assert hour.memory == pytest.approx(97.0 * hour.entries)


def test_what_is_wasted_is_issued_too() -> None:
    assert simulate(replace(_STEADY, wasted=0.2))[0].issued == pytest.approx(1_250.0)


def test_the_plot_in_the_documents_is_the_one_that_the_simulation_makes() -> None:
    # `python -m bench.simulation` brings it up to date.
    path = Path(__file__).resolve().parents[2] / "docs" / "scaling.svg"
    weekly = Demand()
    made = plot(simulate(weekly), simulate(replace(weekly, rotation_days=1, key_days=2)))
    assert path.read_text() == made
    ElementTree.fromstring(made)  # noqa: S314  # our own
