"""Durations, ramps, mixes and faults as they are written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import notation
from loadtest.errors import UsageError
from loadtest.local.plan import FAULTS, parse_fault
from loadtest.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250us", 250e-6),
        ("50ms", 0.05),
        ("10s", 10.0),
        ("10", 10.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
        ("0", 0.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert notation.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s", "1d", "1e3s", "nan", "8000h", "\u0661s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError):
        notation.duration(text)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("10_000", 10_000), ("1,000", 1_000)])
def test_counts(text: str, number: int) -> None:
    assert notation.count(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "9" * 13])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(UsageError):
        notation.count(text)


def test_a_ramp() -> None:
    ramp = notation.ramp("100..400x2/10s")
    assert (ramp.seconds, ramp.rates()) == (10.0, [100.0, 200.0, 400.0])
    assert notation.ramp("100..300x2").rates() == [100.0, 200.0, 300.0]
    assert notation.ramp("1..1000").factor == 1.25


@pytest.mark.parametrize("text", ["", "100", "400..100", "1..2x1", "1..2x0.5", "1..2/0s", "0..5", "1..2x2/"])
def test_what_is_no_ramp(text: str) -> None:
    with pytest.raises(UsageError):
        notation.ramp(text)


def test_a_mix() -> None:
    assert notation.mix("ask=3,stream=1", SCENARIOS) == {"ask": 0.75, "stream": 0.25}
    assert notation.mix("ask=3, relay=0", SCENARIOS) == {"ask": 1.0}


@pytest.mark.parametrize("text", ["", "ask", "ask=", "ask=0", "ask=-1", "ask=1,ask=2", "none=1", "ask=1e9"])
def test_what_is_no_mix(text: str) -> None:
    with pytest.raises(UsageError):
        notation.mix(text, SCENARIOS)


def test_faults() -> None:
    fault = parse_fault("slow-target=250ms@10s+5s")
    assert (fault.name, fault.at, fault.lasting, fault.value) == ("slow-target", 10.0, 5.0, 0.25)
    assert {parse_fault(f"{name}@1s").name for name in FAULTS} == set(FAULTS)


@pytest.mark.parametrize(
    "text", ["", "kill-gateway", "kill-node@1s", "kill-gateway=1s@1s", "kill-gateway@1s+", "@1s"]
)
def test_what_is_no_fault(text: str) -> None:
    with pytest.raises(UsageError):
        parse_fault(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (notation.duration, notation.count, notation.ramp, parse_fault):
        with suppress(UsageError):
            read(text)


@given(st.floats(1e-6, 1e5))
def test_durations_are_written_so_that_people_can_read_them(seconds: float) -> None:
    written = notation.seconds_text(seconds)
    assert len(written) <= 10
    assert written.endswith(("µs", "ms", " s", "min"))
