"""The metrics of every role as they really are, and the tables of them in docs/operating.md.

python tests/support/metric_tables.py docs/operating.md     # bring the tables up to date
"""

import asyncio
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from support import samples
from support.samples import SAMPLES

from tacita.service.families import Family
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics
from tacita.service.run import public
from tacita.service.workers import Workers

__all__ = ["ROLES", "brought_up_to_date", "families_of", "labels_of", "series_of", "table"]

ROLES = ("gateway", "issuer", "node", "relay")

_BLOCK = re.compile(r"<!-- metrics of the (?P<role>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def families_of(role: str, folder: Path) -> list[Family]:
    """Return the metrics that `role` shows, started from its sample with `folder` for its files."""
    if role == "node":
        return _of_node()
    return asyncio.run(_of_sample(role, folder))


def _of_node() -> list[Family]:
    from node.app import create_app
    from node.config import Limits

    # The model has no metrics, and need not be there.
    engine: Any = SimpleNamespace(admission=SimpleNamespace(waiting=0, running=0))
    config: Any = SimpleNamespace(model_name="m", limits=Limits())
    metrics = Metrics("node")
    create_app(config, engine, Logger("node", {}), metrics)
    return metrics.families()


async def _of_sample(role: str, folder: Path) -> list[Family]:
    sample = next(one for one in SAMPLES if one.role == role and one.path.parent.name == "config")
    text = sample.path.read_text()
    text, _, _ = samples.move(text, folder, samples.outside_world(text))
    (folder / role).mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{role}.toml"
    file.write_text(text)
    service = await import_module(f"{role}.app").build(sample.load(file))
    port = public(service)
    runner = web.AppRunner(service.app)
    await runner.setup()
    try:
        supervisor = Metrics(role)
        Workers([], 1, service.log, supervisor)
        return [*service.metrics.families(), *(one for one in supervisor.families() if _ours(one))]
    finally:
        await runner.cleanup()
        await port.close()


def _ours(family: Family) -> bool:
    return not family.name.startswith("process_")


def series_of(family: Family) -> str:
    """Return the name that queries use."""
    return family.name + ("_total" if family.kind == "counter" else "")


def labels_of(family: Family) -> dict[str, list[str]]:
    """Return the values of each label, in their order."""
    found: dict[str, list[str]] = {}
    for _, labels, _ in family.samples:
        for name, value in labels:
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return found


def table(families: list[Family]) -> str:
    """Return the rows for what is the role's own."""
    rows = ["| metric | kind | labels | what it shows | of several workers |", "|---|---|---|---|---|"]
    for family in sorted(filter(_ours, families), key=series_of):
        labels = "; ".join(
            f"`{name}`: {', '.join(values)}" for name, values in sorted(labels_of(family).items())
        )
        across = {"min": "the least", "max": "the greatest"}.get(family.across, "the sum")
        rows.append(f"| `{series_of(family)}` | {family.kind} | {labels} | {family.what} | {across} |")
    return "\n".join(rows)


def brought_up_to_date(document: str) -> str:
    """Return `document` with each table as the roles have it now."""

    def block(match: re.Match[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            families = families_of(match["role"], Path(folder))
        return f"<!-- metrics of the {match['role']} -->\n{table(families)}\n<!-- end -->"

    return _BLOCK.sub(block, document)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(brought_up_to_date(path.read_text()))
