"""The observer of `make privacy` is right where there is something to see, and guesses where there is not."""

from random import Random

import numpy as np
import pytest
from privacy.intervals import compare, holm, share
from privacy.observer import Observer, Policy, Seen, by_size
from privacy.run import observed
from privacy.sessions import Load


def pairs(policy: Policy, count: int, seed: int, *, sizes: int = 1) -> list[tuple[Seen, Seen]]:
    """Return both sides of exchanges of a relay that keeps to `policy`, by arithmetic."""
    random = Random(seed)
    now, asked = 0.0, []
    for _ in range(count):
        now += random.expovariate(20)
        asked.append(now)
    jitter = policy.seconds if policy.kind == "jitter" else 0.0
    out = [when + random.uniform(0, jitter) + 0.001 for when in policy.released(np.array(asked))]
    answered = [when + random.lognormvariate(-1, 0.5) for when in out]
    returned = policy.returned(policy.released(np.array(asked)), np.array(out), np.array(answered))
    back = [when + random.uniform(0, jitter) + random.uniform(0.001, 0.002) for when in returned]
    sized = [(random.randrange(sizes), random.randrange(sizes)) for _ in range(count)]
    return [
        (Seen(asked[one], sized[one][0], back[one], sized[one][1]),
         Seen(out[one], sized[one][0], answered[one], sized[one][1]))
        for one in range(count)
    ]  # fmt: skip


def matched(policy: Policy, *, sizes: int = 1, count: int = 400) -> float:
    known, seen = pairs(policy, count, 1, sizes=sizes), pairs(policy, count, 2, sizes=sizes)
    order = list(range(count))
    Random(3).shuffle(order)
    found = Observer(policy, known).match([one for one, _ in seen], [seen[place][1] for place in order])
    return sum(order[match] == place for place, match in enumerate(found)) / count


def test_without_cover_everybody_is_known() -> None:
    assert matched(Policy("none")) == 1.0


def test_of_a_group_whose_answers_come_back_together_one_is_known_by_guessing() -> None:
    assert matched(Policy("batch", "batch", seconds=30.0, group=8)) == pytest.approx(1 / 8, abs=0.06)


def test_what_differs_in_size_is_known_all_the_same() -> None:
    assert matched(Policy("batch", "batch", seconds=30.0, group=8), sizes=1000) > 0.98


def test_more_jitter_is_worse_for_the_observer() -> None:
    little, much = (matched(Policy("jitter", "jitter", seconds=seconds)) for seconds in (0.01, 1.0))
    assert little > 0.9
    assert much < 0.4


def test_groups_are_those_of_the_relay() -> None:
    policy = Policy("batch", "batch", seconds=1.0, group=3)
    assert list(policy.released(np.array([0.0, 0.5, 0.2, 5.0, 5.5, 6.0]))) == [0.5, 0.5, 0.5, 6.0, 6.0, 7.0]
    released, seen = np.array([1.0, 1.0, 1.0, 9.0]), np.array([1.001, 1.002, 1.001, 9.001])
    assert list(policy.returned(released, seen, np.array([2.0, 2.5, 2.7, 9.5]))) == [2.7, 2.7, 2.7, 9.5]
    assert list(policy.returned(released, seen, np.array([2.0, 3.5, 2.7, 9.5]))) == [3.0, 3.5, 3.0, 9.5]


def test_what_is_a_tie_is_not_decided_by_the_order_of_the_records() -> None:
    policy = Policy("batch", "batch", seconds=30.0, group=8)
    row = observed(policy, Load(20, 400), pairs(policy, 400, 1), pairs(policy, 400, 2))
    assert row.matched.low < 1 / 8 < row.matched.high
    assert row.by_sizes == 1 / 400


def test_lots_among_those_of_one_size() -> None:
    assert by_size([Seen(0, size, 0, 1) for size in (1, 1, 2, 2)]) == 0.5


def test_intervals() -> None:
    every = share([True] * 100)
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0.96 < every.low < 0.97  # Wilson's, as in tables
    mixed = share([bool(Random(one).random() < 0.3) for one in range(1000)])
    assert mixed.low < 0.3 < mixed.high
    assert 0.04 < mixed.high - mixed.low < 0.09
    # The same number of hits, all in a row, says less.
    in_a_row = share([True] * 300 + [False] * 700)
    assert in_a_row.high - in_a_row.low > 0.1


def test_comparisons() -> None:
    random = np.random.default_rng(1)
    one, same, later = random.normal(0, 1, 2000), random.normal(0, 1, 2000), random.normal(0.5, 1, 2000)
    alike, apart = compare(one, same), compare(later, one)
    assert alike.larger.low < 0.5 < alike.larger.high
    assert alike.rank_p > 0.01
    assert apart.larger.low < 0.638 < apart.larger.high  # of two normal distributions half a deviation apart
    assert apart.shift.low < 0.5 < apart.shift.high
    assert max(apart.rank_p, apart.shape_p) < 1e-6


def test_many_tests_are_corrected_for() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
