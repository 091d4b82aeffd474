"""Token demand, rotation and the size of the spent store over four weeks, simulated for docs/scaling.md.

    python -m bench.simulation [--plot FILE]

Hour by hour: so many requests are made, by the time of day and with noise; each pays with a token of the
issuer key that was in force when it was fetched, and each spend is an entry of that key's partition. Wallets
fetch ahead, so a part of the tokens is spent under the key before. A partition goes as a whole, when its key
has died. The same seed gives the same figures.
"""

import argparse
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figure import Panel, Series, figure

__all__ = ["Demand", "Hour", "main", "plot", "simulate"]

_DAY = 24
_ENTRY_BYTES = 110.0
_PLOT = Path(__file__).parents[1] / "docs" / "scaling.svg"


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a deployment, and how its keys turn over; docs/scaling.md says why."""

    peak: float = 100_000.0
    """Requests a second at the busiest time of the day."""
    trough: float = 0.35
    """What is left of them at the quietest."""
    noise: float = 0.05
    """Standard deviation of an hour's demand, of itself."""
    days: int = 28
    rotation_days: int = 7
    """From one issuer key to the next."""
    key_days: int = 14
    """How long a key's tokens are taken, from its not-before on: `key_seconds` of the gateway."""
    ahead_hours: float = 12.0
    """The mean time from a token's issue to its spending."""
    wasted: float = 0.05
    """Tokens that are issued and never spent, of all that are issued."""
    entry_bytes: float = _ENTRY_BYTES
    """What an entry weighs in Redis: `make bench`, "Spent entries"."""


@dataclass(frozen=True, slots=True)
class Hour:
    """The state at the end of an hour: rates a second, entries by issuer key (its number), bytes."""

    at: int
    requests: float
    issued: float
    partitions: dict[int, float]
    memory: float

    @property
    def entries(self) -> float:
        """All entries that are held."""
        return sum(self.partitions.values())


def simulate(demand: Demand, *, seed: int = 1) -> list[Hour]:
    """Return every hour of the demand."""
    noise = random.Random(seed)  # noqa: S311  # figures that can be made again, no secrets
    ahead = round(demand.ahead_hours)
    requests = [_requests(demand, hour, noise) for hour in range(demand.days * _DAY + ahead)]
    partitions: dict[int, float] = {}
    hours, life = [], demand.key_days * _DAY
    for hour, rate in enumerate(requests[: demand.days * _DAY]):
        for key, share in _keys(demand, hour).items():
            partitions[key] = partitions.get(key, 0.0) + rate * share * 3_600
        # The partition goes at once: its hashes have one time to expire at.
        partitions = {key: count for key, count in partitions.items() if hour - _begin(demand, key) < life}
        held = dict(partitions)
        # What is spent `ahead_hours` later, and what is never spent.
        issued = requests[hour + ahead] / (1 - demand.wasted)
        hours.append(Hour(hour, rate, issued, held, sum(held.values()) * demand.entry_bytes))
    return hours


def _requests(demand: Demand, hour: int, noise: random.Random) -> float:
    # Quietest at four in the morning, busiest at four in the afternoon.
    wave = (1 - math.cos(2 * math.pi * (hour % _DAY - 4) / _DAY)) / 2
    rate = demand.peak * (demand.trough + (1 - demand.trough) * wave)
    return max(0.0, rate * noise.gauss(1.0, demand.noise))


def _begin(demand: Demand, key: int) -> int:
    return key * demand.rotation_days * _DAY


def _keys(demand: Demand, hour: int) -> dict[int, float]:
    """Return the share of an hour's spends by the number of the key they were issued under.

    The age of a token when it is spent is exponential; a key that has died has no share.
    """
    rotation = demand.rotation_days * _DAY
    shares = {}
    for key in range(hour // rotation + 1):
        youngest = max(0.0, hour - (key + 1) * rotation)
        oldest = hour - key * rotation + 1.0
        if hour - key * rotation < demand.key_days * _DAY:
            shares[key] = math.exp(-youngest / demand.ahead_hours) - math.exp(-oldest / demand.ahead_hours)
    total = sum(shares.values())
    return {key: share / total for key, share in shares.items()}


def plot(weekly: Sequence[Hour], daily: Sequence[Hour]) -> str:
    """Return the figure of docs/scaling.md: demand, entries by issuer key, memory with either rotation."""
    keys = sorted({key for hour in weekly for key in hour.partitions})
    entries = [
        Series(
            f"key {key + 1}",
            [(hour.at / _DAY, hour.partitions[key] / 1e9) for hour in weekly if key in hour.partitions],
        )
        for key in keys
    ]
    panels = [
        Panel(
            "Thousands a second",
            [
                Series("requests", [(hour.at / _DAY, hour.requests / 1e3) for hour in weekly]),
                Series("tokens issued", [(hour.at / _DAY, hour.issued / 1e3) for hour in weekly]),
            ],
        ),
        Panel("Spent entries, billions: a new issuer key each week, taken for two", entries),
        Panel(
            "Memory of the spent store, TB, without replicas",
            [
                Series(
                    "weekly keys, taken 14 days", [(hour.at / _DAY, hour.memory / 1e12) for hour in weekly]
                ),
                Series("daily keys, taken 2 days", [(hour.at / _DAY, hour.memory / 1e12) for hour in daily]),
            ],
        ),
    ]
    return figure("Token demand, rotation and the spent store", "days", panels)


def main() -> int:
    """Simulate, print what matters, write the plot; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.simulation",
        description="Token demand, rotation and the size of the spent store.",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", default=_PLOT, help="where the plot goes")
    parser.add_argument("--peak", type=float, default=100_000.0, help="requests a second at the peak")
    parser.add_argument("--entry-bytes", type=float, default=_ENTRY_BYTES, help="what an entry weighs")
    options = parser.parse_args()
    weekly = Demand(peak=options.peak, entry_bytes=options.entry_bytes)
    daily = replace(weekly, rotation_days=1, key_days=2)
    found = {"weekly keys, taken 14 days": simulate(weekly), "daily keys, taken 2 days": simulate(daily)}
    for name, hours in found.items():
        full = max(hours, key=lambda hour: hour.entries)
        mean = sum(hour.requests for hour in hours) / len(hours)
        print(name)
        print(f"  requests/s: {mean:,.0f} on average, {max(hour.requests for hour in hours):,.0f} at most")
        print(f"  tokens issued/s: {max(hour.issued for hour in hours):,.0f} at most")
        print(f"  entries: {full.entries / 1e9:,.1f} billion at most, on day {full.at / _DAY:.1f}")
        print(f"  memory: {full.memory / 1e12:,.2f} TB at most")
    options.plot.write_text(plot(*found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
