"""How numbers are written on the command line: durations, ramps, mixes, faults' moments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loadtest.errors import UsageError

__all__ = ["Ramp", "count", "duration", "mix", "ramp", "seconds_text"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)?", re.ASCII)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_RAMP = re.compile(r"(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?(?:/([^/]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Rates from `first` to `last` requests a second, each `factor` times the one before, for `seconds`."""

    first: float
    last: float
    factor: float
    seconds: float

    def rates(self) -> list[float]:
        """Return the rate of each step; the last one is `last`."""
        rates = [self.first]
        while rates[-1] * self.factor < self.last:
            rates.append(rates[-1] * self.factor)
        return [*rates, self.last] if rates[-1] < self.last else rates


def duration(text: str) -> float:
    """Return the seconds that `text` (`250ms`, `10s`, `2m`; seconds without a unit) means.

    Raises:
        UsageError: it is no duration, or longer than a week.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else -1.0
    if not 0 <= seconds <= 7 * 86_400:
        raise UsageError("A duration is written as 250ms, 10s, 2m or 1h, and is a week at most.")
    return seconds


def count(text: str) -> int:
    """Return the whole number from 1 on that `text` is; underscores and commas may group it.

    Raises `UsageError`.
    """
    plain = text.replace("_", "").replace(",", "")
    number = int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 12 else 0
    if number < 1:
        raise UsageError("A number of something is written in digits and is 1 at least.")
    return number


def ramp(text: str) -> Ramp:
    """Read `FIRST..LAST`, with `xFACTOR` (default 1.25) and `/DURATION` of a step (default 5s) behind it.

    Raises `UsageError`.
    """
    match = _RAMP.fullmatch(text.strip())
    if match is None:
        raise UsageError("A ramp is written as 100..5000, 100..5000x1.5 or 100..5000x1.5/10s.")
    found = Ramp(float(match[1]), float(match[2]), float(match[3] or 1.25), duration(match[4] or "5s"))
    if not (0 < found.first < found.last <= 1e7 and 1.01 <= found.factor <= 100 and found.seconds >= 1):
        raise UsageError("A ramp goes up, by a factor from 1.01 on, and a step lasts a second at least.")
    return found


def mix(text: str, known: Mapping[str, object]) -> dict[str, float]:
    """Read `ask=70,stream=20,issue=10`: shares of the scenarios in `known`, which are scaled to 1.

    Raises `UsageError`.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        if name not in known or name in shares or not equals or not re.fullmatch(r"\d{1,6}(\.\d+)?", number):
            raise UsageError(f"A mix is written as ask=70,stream=30; known are {', '.join(known)}.")
        shares[name] = float(number)
    whole = sum(shares.values())
    if whole <= 0:
        raise UsageError("A mix has at least one scenario with a share above zero.")
    return {name: share / whole for name, share in shares.items() if share}


def seconds_text(seconds: float) -> str:
    """Return a duration as people read it: three significant digits and a unit."""
    for bound, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if seconds < bound:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds / 60)} min"


def _three(number: float) -> str:
    written = f"{number:.3g}"
    return f"{number:.0f}" if "e" in written else written
