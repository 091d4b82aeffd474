"""Where a process spends its time: what py-spy samples while load runs.

py-spy comes with `pip install py-spy` and has to be allowed to look at other processes; where it is
not there, or may not, there is no profile, and the bench says so.
"""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.load import drive
from bench.results import Table
from bench.rounds import Row

__all__ = ["profile", "tabulated"]

_RATE = 400
_MOST = 12
_WORTH = 0.01


async def profile(title: str, row: Row, requests: int, *, seconds: float) -> Table | None:
    """Return the functions in which `row`'s process is most often found, under load; None: no py-spy."""
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if program is None:
        return None
    prepared = await asyncio.to_thread(row.requests, max(row.connections, round(requests * row.times)))
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        path = Path(folder) / "stacks"
        child = await asyncio.create_subprocess_exec(
            *(program, "record", "--pid", str(row.pid), "--duration", str(max(1, round(seconds)))),
            *("--rate", str(_RATE), "--format", "raw", "--native", "--output", str(path)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(0.3)
        await drive(row.port, prepared, row.connections, tls=row.tls)
        await child.wait()
        if child.returncode or not path.exists():
            return None
        return tabulated(title, path.read_text())


def tabulated(title: str, stacks: str) -> Table | None:
    """Return the leaves of `stacks` (frames joined by `;`, then a count, a line each) by share."""
    leaves: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        leaves[_named(frames.split(";")[-1])] += int(count)
    total = leaves.total()
    if not total:
        return None
    rows = [
        (name, f"{100 * count / total:.0f} %")
        for name, count in leaves.most_common(_MOST)
        if count / total >= _WORTH
    ]
    return Table(("function", "share of samples"), rows, title)


def _named(frame: str) -> str:
    """Return `function (file)` without the line, and the file without what is above the package."""
    function, _, place = frame.partition(" (")
    if function.startswith("0x"):
        # Code without a symbol, each instruction under an address of its own.
        function = "no name"
    file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"`{function}` ({'/'.join(file.split('/')[-3:])})"
