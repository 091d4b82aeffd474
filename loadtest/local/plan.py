"""Faults as they are written on the command line: what, when, for how long.

kill-gateway@10s        SIGKILL, and started again 2 s later (+DURATION sets another time)
kill-relay@10s, kill-issuer@10s, kill-target@10s
kill-worker@10s         SIGKILL to one of several processes behind the gateway's port
cut-gateway@10s+3s      the gateway hangs: packets go in, none comes out, as on a cut line
pause-redis@10s+3s      the same of the store
slow-target=500ms@10s+5s
rotate-keys@10s+5s      the gateway's keys turn over; the old one is taken for so much longer
"""

import re
from dataclasses import dataclass

from loadtest.errors import UsageError
from loadtest.notation import duration

__all__ = ["FAULTS", "FaultPlan", "parse_fault"]

FAULTS = (
    "kill-gateway",
    "kill-relay",
    "kill-issuer",
    "kill-target",
    "kill-worker",
    "cut-gateway",
    "pause-redis",
    "slow-target",
    "rotate-keys",
)

_WRITTEN = re.compile(r"(?P<name>[a-z-]+)(?:=(?P<value>[^@+]+))?@(?P<at>[^+@]+)(?:\+(?P<lasting>[^+@]+))?")
_DEFAULT_SECONDS = 2.0
_SLOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """`name` at `at` seconds after the start, for `lasting`; `value` is the delay of a slow target."""

    name: str
    at: float
    lasting: float
    value: float


def parse_fault(text: str) -> FaultPlan:
    """Read one fault. Raises `UsageError`."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or match["name"] not in FAULTS:
        raise UsageError(f"A fault is written as NAME@10s or NAME@10s+3s; there are {', '.join(FAULTS)}.")
    if match["value"] and match["name"] != "slow-target":
        raise UsageError("Only slow-target takes a value, as slow-target=500ms@10s.")
    return FaultPlan(
        match["name"],
        duration(match["at"]),
        duration(match["lasting"]) if match["lasting"] else _DEFAULT_SECONDS,
        duration(match["value"]) if match["value"] else _SLOW_SECONDS,
    )
