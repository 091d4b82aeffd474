"""The tally: three limits at once, whatever order the charges come in."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import LimitReached, OverBurst, OverDailyLimit
from issuer.period import Period
from issuer.quota.claims import Claim
from issuer.quota.tally import DAY, WINDOW, Tally, burst_credit
from issuer.tiers import Tier

START = 20 * DAY
PERIOD = Period(START // 1000, START // 1000 + 10 * 86_400)


def claim(tokens: int, at: int, tier: Tier) -> Claim:
    return Claim(PERIOD, b"account", b"request", tokens, tier, at)


def outcome(tally: Tally, asked: Claim) -> Tally | LimitReached:
    try:
        return tally.charged(asked)
    except LimitReached as refusal:
        return refusal


steps = st.lists(
    st.tuples(st.integers(1, 12), st.one_of(st.integers(0, WINDOW), st.integers(0, DAY))), max_size=60
)
tiers = st.builds(
    Tier,
    tokens=st.integers(1, 200),
    burst=st.one_of(st.none(), st.integers(1, 20)),
    per_day=st.one_of(st.none(), st.integers(1, 40)),
)


@given(tiers, steps)
def test_no_limit_is_ever_passed(tier: Tier, steps: list[tuple[int, int]]) -> None:
    tally, now, granted = Tally(), START, list[tuple[int, int]]()
    for tokens, pause in steps:
        now = min(now + pause, PERIOD.end * 1000 - 1)
        try:
            tally = tally.charged(claim(tokens, now, tier))
        except LimitReached:
            continue
        granted.append((now, tokens))
    assert tally.tokens == sum(tokens for _, tokens in granted) <= tier.tokens
    days = Counter[int]()
    for at, tokens in granted:
        days[at // DAY] += tokens
    assert max(days.values(), default=0) <= (tier.per_day or tier.tokens)
    if tier.burst is not None:
        for place, (first, _) in enumerate(granted):
            total = 0
            for at, tokens in granted[place:]:
                total += tokens
                # A full bucket, and what has flowed into it since.
                assert total * WINDOW <= tier.burst * WINDOW + (at - first) * tier.burst


@given(tiers, steps)
def test_a_refusal_frees_up_when_it_says(tier: Tier, steps: list[tuple[int, int]]) -> None:
    tally, now = Tally(), START
    for tokens, pause in steps:
        now = min(now + pause, PERIOD.end * 1000 - 1)
        got = outcome(tally, claim(tokens, now, tier))
        if isinstance(got, Tally):
            tally = got
        elif isinstance(got, OverDailyLimit | OverBurst):
            frees = now + int(got.fields["Retry-After"]) * 1000
            fits = tokens <= min(tier.burst or tokens, tier.per_day or tokens)
            if fits and frees < PERIOD.end * 1000:
                assert type(outcome(tally, claim(tokens, frees, tier))) is not type(got)
            # What is said to be left is there.
            if got.left:
                assert type(outcome(tally, claim(got.left, now, tier))) is not type(got)


@given(tiers, steps, st.integers(0, 2 * WINDOW))
def test_a_refund_gives_back_no_more_than_was_taken(
    tier: Tier, steps: list[tuple[int, int]], later: int
) -> None:
    with_it, without, now, mine = Tally(), Tally(), START, None
    for tokens, pause in steps:
        now = min(now + pause % WINDOW, PERIOD.end * 1000 - 1)
        asked = claim(tokens, now, tier)
        try:
            with_it = with_it.charged(asked)
        except LimitReached:
            continue
        if mine is None:
            mine = asked
            continue
        without = without.charged(asked)
    if mine is None:
        return
    refunded = with_it.refunded(mine, now + later)
    assert refunded.tokens == without.tokens
    if tier.burst is not None and without != Tally():
        assert refunded.burst_at == without.burst_at
        assert refunded.burst_used >= without.burst_used


def test_a_claim_from_a_clock_behind_counts_on_the_day_on_record() -> None:
    tier = Tier(tokens=100, per_day=10, burst=100)
    tally = Tally().charged(claim(10, START + DAY, tier))
    with pytest.raises(OverDailyLimit) as refusal:
        tally.charged(claim(1, START + DAY - 1, tier))
    assert refusal.value.left == 0
    assert burst_credit(claim(5, START, tier), START - 5) == 5 * WINDOW
