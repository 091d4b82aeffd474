"""`tacita-load` as an operator runs it, beside whatever the test itself serves."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.analysis.report import Report

__all__ = ["Done", "load"]

_SECONDS = 100.0


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: exit code, what it wrote, and its report where there is one."""

    code: int
    out: str
    err: str
    report: Report | None

    @property
    def full(self) -> Report:
        """The report. Fails where there is none."""
        assert self.report is not None, self.err
        return self.report


async def load(folder: Path, *arguments: str, interrupt_when: Callable[[], bool] | None = None) -> Done:
    """Run it with its cache in `folder`; send SIGINT as soon as `interrupt_when` says so."""
    path = folder / "report.json"
    path.unlink(missing_ok=True)
    wanted = ("--json", str(path)) if arguments[0] == "run" else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest", *arguments, *wanted),
        env={**os.environ, "COLUMNS": "80", "XDG_CACHE_HOME": str(folder / "cache")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ending = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(_SECONDS):
            if interrupt_when is not None:
                while not interrupt_when() and not ending.done():  # noqa: ASYNC110 (a test's condition)
                    await asyncio.sleep(0.02)
                if process.returncode is None:
                    process.send_signal(signal.SIGINT)
            out, err = await ending
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = Report.load(path) if path.exists() and path.stat().st_size else None
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode(), report)
