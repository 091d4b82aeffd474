"""CPU time of a process, as the kernel accounts it."""

import os
from pathlib import Path

__all__ = ["seconds"]

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pid: int) -> float:
    """Return user and system time that the process `pid` has used, in seconds (Linux: /proc/PID/stat)."""
    # The command's name, in parentheses, may hold anything; the numbers begin behind the last one.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
