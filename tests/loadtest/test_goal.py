"""The language of goals: what is read, what is refused, and how a run is judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.load_reports import report, scenario

from loadtest.analysis import goal
from loadtest.errors import GoalMalformed

_TIMES = st.sampled_from(
    ["p50", "p90", "p99", "p99.9", "max", "mean", "first.p50", "gap.p99", "ask.p99", "stream.gap.max"]
)
_COUNTS = st.sampled_from(
    ["errors", "rps", "answered", "burnt", "lost", "lost_tokens", "relay.rps", "ask.errors"]
)
_OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "="])
_NUMBERS = st.integers(0, 10**6).map(str) | st.decimals(0, 1000, places=2).map(str)
_CONDITIONS = st.one_of(
    st.tuples(_TIMES, _OPERATORS, _NUMBERS, st.sampled_from(["us", "ms", "s"])).map("".join),
    st.tuples(_COUNTS, _OPERATORS, _NUMBERS).map("".join),
    st.tuples(st.just("errors"), _OPERATORS, _NUMBERS, st.just("%")).map("".join),
)


@given(st.lists(_CONDITIONS, min_size=1, max_size=5))
def test_goals_are_read_and_written_alike(conditions: list[str]) -> None:
    text = ",".join(conditions)
    assert ",".join(str(one) for one in goal.parse(text)) == text
    assert goal.parse(text.replace(",", " , ")) == goal.parse(text)


@given(st.text(st.sampled_from("abcpqrs.0159<>=,%ms_ "), max_size=24))
def test_any_text_is_a_goal_or_refused(text: str) -> None:
    try:
        found = goal.parse(text)
    except GoalMalformed:
        return
    assert goal.parse(",".join(map(str, found))) == found
    goal.judged(found, report())


@pytest.mark.parametrize(
    "text",
    ["", ",", "p99", "p99<", "p99<50", "p98<50ms", "errors=0ms", "rps>=2000s", "nope.p99<1s", "relay.lost=0",
     "p99<<1s", "p99<-1s", "errors=0,", "memory<8", "p99=<1s"],
)  # fmt: skip
def test_what_is_no_goal(text: str) -> None:
    with pytest.raises(GoalMalformed):
        goal.parse(text)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p99<50ms", True),
        ("p99<5ms", False),
        ("p50<=11ms,p50>9ms", True),
        ("errors=0", False),
        ("errors<=2%", True),
        ("errors<1%", False),
        ("rps>=9.9", True),
        ("rps>=10", False),
        ("ask.errors=1,relay.errors=0", True),
        ("answered=99", True),
        ("inside=1,outside=0,burnt=0,unsent=0", True),
        ("lost=0,lost_tokens=0,refused_tokens=0", True),
        ("busy<50%", True),
        ("first.p50<1s", False),
        ("stream.p50<1s", False),
    ],
)
def test_how_a_run_is_judged(text: str, met: bool) -> None:
    run = report(ask=scenario(10_000, 49, inside=1), relay=scenario(9_500, 50), seconds=10.0)
    assert all(verdict.met for verdict in goal.judged(goal.parse(text), run)) is met


def test_a_goal_for_all_is_one_for_the_slowest() -> None:
    run = report(ask=scenario(10_000, 50), relay=scenario(90_000, 50))
    assert not goal.judged(goal.parse("p50<50ms"), run)[0].met
    assert goal.judged(goal.parse("ask.p50<50ms"), run)[0].met
