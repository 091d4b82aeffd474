"""`tacita-load`: size a deployment, and prove a figure.

Exit codes: 0 the goal was reached (without one: at most one request in a hundred was not answered
well, and nothing is lost); 1 it was not, or the run could not be done: one sentence says why;
2 wrong usage; 130 interrupted. Whatever was measured until then is in the report.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

from rich.console import Console

from loadtest.arguments import add_commands
from loadtest.errors import UsageError
from tacita.errors import TacitaError

__all__ = ["main", "parser"]

_INTERRUPTED = 130
_TOLERATED = 0.01


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's) spell; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "compare":
            return _compare(options)
        return asyncio.run(_run(options))
    except UsageError as error:
        sys.stderr.write(f"tacita-load: {error}\n")
        return 2
    except TacitaError as error:
        sys.stderr.write(f"tacita-load: {error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    root = argparse.ArgumentParser(
        prog="tacita-load", description="Load for relays, gateways and issuers.", allow_abbrev=False
    )
    root.add_argument("--version", action="version", version=f"tacita-load {version('tacita')}")
    add_commands(root)
    return root


async def _run(options: argparse.Namespace) -> int:
    from loadtest import run  # noqa: PLC0415 (a comparison and --help need none of it)
    from loadtest.settings import Settings  # noqa: PLC0415
    from loadtest.view.lines import Lines  # noqa: PLC0415
    from loadtest.view.live import LiveView  # noqa: PLC0415
    from loadtest.view.write import write_all  # noqa: PLC0415

    settings = Settings.read(options)
    write_all(settings.outputs, None)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    console = Console()
    view = LiveView(console) if console.is_terminal else Lines()
    try:
        if options.command == "prepare":
            folder = await run.prepare(settings, view, stop)
            report = None
        else:
            report = await run.run(settings, view, stop)
    except run.Interrupted:
        view.note("Interrupted; what was prepared is kept.")
        return _INTERRUPTED
    finally:
        view.close()
    if report is None:
        console.print(f"Prepared in {folder}", markup=False, highlight=False, soft_wrap=True)
        return 0
    from loadtest.view.text import show  # noqa: PLC0415

    show(report, console)
    write_all(settings.outputs, report)
    if stop.is_set():
        return _INTERRUPTED
    if report.stopped or report.requests.lost or report.tokens.lost:
        return 1
    if report.goal:
        return 0 if all(verdict.met for verdict in report.goal) else 1
    return 0 if report.requests.failed <= _TOLERATED * report.requests.started else 1


def _compare(options: argparse.Namespace) -> int:
    from loadtest.analysis.compare import compare  # noqa: PLC0415
    from loadtest.analysis.report import Report  # noqa: PLC0415
    from loadtest.view.text import show_differences  # noqa: PLC0415

    show_differences(compare(Report.load(options.a), Report.load(options.b)), Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
