import pytest

from issuer.tiers import Tier, tier_of


def test_a_number_is_a_tier_with_one_limit() -> None:
    assert tier_of(20) == Tier(tokens=20)
    assert tier_of(Tier(tokens=20, burst=5)) == Tier(tokens=20, burst=5)


@pytest.mark.parametrize("limit", ["tokens", "burst", "per_day"])
@pytest.mark.parametrize("value", [0, -1, 10**9 + 1])
def test_limits_that_cannot_be_meant_are_refused(limit: str, value: int) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        Tier(**{"tokens": 1, limit: value})


@pytest.mark.parametrize("value", [0, -1, 10**9 + 1])
def test_so_are_they_in_the_short_form(value: int) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        tier_of(value)
