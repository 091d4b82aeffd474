"""Memory, descriptors and CPU time of processes on this machine, out of /proc (Linux)."""

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.analysis.report import Process

__all__ = ["Watch", "family", "is_here", "listening_on", "machine_times"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def listening_on(port: int) -> list[int]:
    """Return the processes that listen on the TCP port, oldest first; none where /proc does not tell."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(Path("/proc/net") / table)[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    found = [pid for pid in _pids() if inodes & _links(pid)] if inodes else []
    return sorted(found, key=lambda pid: (_started(pid), pid))


def family(pid: int) -> list[int]:
    """Return `pid` and all processes below it that are there."""
    parents = {one: _parent(one) for one in _pids()}
    members, more = {pid}, True
    while more:
        below = {one for one, parent in parents.items() if parent in members} - members
        members |= below
        more = bool(below)
    return sorted(members)


def machine_times() -> tuple[float, float]:
    """Return the idle and the whole CPU time of this machine since its start; zeros where it does not say."""
    lines = _lines(Path("/proc/stat"))
    if not lines:
        return 0.0, 0.0
    fields = [int(one) for one in lines[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


@dataclass
class Watch:
    """Looks at what listens on some ports, each time anew: a process may have been replaced."""

    ports: dict[str, int]
    _found: dict[str, Process] = field(default_factory=dict)
    _cpu: dict[int, tuple[str, float, float]] = field(default_factory=dict)

    def look(self) -> None:
        """Take one sample of each."""
        for name, port in self.ports.items():
            pids = {member for pid in listening_on(port) for member in family(pid)}
            if not pids:
                continue
            process = self._found.setdefault(name, Process(name))
            process.resident.append(round(sum(_resident(pid) for pid in pids), 2))
            process.descriptors.append(sum(_descriptors(pid) for pid in pids))
            for pid in pids:
                used = _cpu_seconds(pid)
                _, first, _ = self._cpu.get(pid, (name, used, used))
                self._cpu[pid] = (name, first, used)

    def processes(self) -> list[Process]:
        """Return everything that was seen."""
        for name, process in self._found.items():
            process.cpu = sum(last - first for owner, first, last in self._cpu.values() if owner == name)
        return list(self._found.values())


def is_here(ip: str) -> bool:
    """Whether processes that listen at `ip` are on this machine."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    lines = _lines(Path(f"/proc/{pid}/stat"))
    # The command's name, in parentheses, may hold anything.
    return lines[-1].rpartition(")")[2].split() if lines else []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _started(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _resident(pid: int) -> float:
    lines = _lines(Path(f"/proc/{pid}/statm"))
    return int(lines[0].split()[1]) * _PAGE_MB if lines else 0.0


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (counted once a second)
    except OSError:
        return 0


def _links(pid: int) -> set[str]:
    links = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            links.add(str(entry.readlink()))
    except OSError:
        pass
    return links
