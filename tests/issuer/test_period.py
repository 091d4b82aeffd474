from hypothesis import given
from hypothesis import strategies as st

from issuer.period import Period


def test_a_day_is_a_utc_day() -> None:
    period = Period.at(1_764_000_123.5, 86_400)
    assert period.start % 86_400 == 0
    assert period.end_text == "2025-11-25T00:00:00Z"


@given(st.floats(0, 4e9), st.integers(1, 31 * 86_400))
def test_every_moment_lies_in_one_period(now: float, seconds: int) -> None:
    period = Period.at(now, seconds)
    assert period.start <= now < period.end
    assert Period.at(period.end, seconds).start == period.end
