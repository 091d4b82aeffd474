"""A store that does not answer, has no room, or is taken away under load: 503 inside, never "allow"."""

import asyncio
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.fault_load import Ledger, Load
from support.gateways import Place
from support.redis_server import DURABLE, RedisServer

pytestmark = pytest.mark.e2e

Scenes = Callable[..., Any]
Report = Callable[[Ledger], None]

SQLITE = 'sqlite = "spent.sqlite"'
LATER = 0.4
"""What share of the load is over when a fault ends that began after a third: some rounds of all clients."""


def only_503(ledger: Ledger) -> None:
    """Check that the store's absence was told inside, and as nothing else."""
    assert ledger.refused_inside[503] > 0
    assert set(ledger.refused_inside) <= {401, 503}
    assert not ledger.refused_outside
    assert not ledger.broken


async def test_redis_hangs(scene: Scenes, report: Report) -> None:
    """What it was asked meanwhile it does when it goes on; nobody is told."""
    with RedisServer(**DURABLE) as server:
        async with scene(f'redis = "{server.address}"') as running:

            async def fault(load: Load) -> None:
                with load.strike():
                    server.pause()
                    await load.until(LATER)
                    await running.role.wait_ready(503)
                    server.resume()

            ledger = await running.load.run("Redis hangs", fault, running.ready)
    only_503(ledger)
    report(ledger)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 2 MiB at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_the_disk_of_the_file_is_full(place: Place, scene: Scenes, report: Report) -> None:
    with small_disk(place.folder / "disk") as disk:
        async with scene(f'sqlite = "{disk}/spent.sqlite"') as running:

            async def fault(load: Load) -> None:
                with load.strike(), (disk / "filler").open("wb", buffering=0) as filler:
                    _fill(filler)
                    await load.until(LATER)
                    while not load.refused(503):
                        # It had room in what it has already.
                        _fill(filler)
                        await load.until(load.share + 0.05)
                    (disk / "filler").unlink()

            ledger = await running.load.run("the disk is full, SQLite", fault, running.ready)
    only_503(ledger)
    report(ledger)


def _fill(filler: Any) -> None:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        return


async def test_the_file_may_not_grow(place: Place, scene: Scenes, report: Report) -> None:
    async with scene(SQLITE) as running:

        async def fault(load: Load) -> None:
            size = (place.folder / "spent.sqlite-wal").stat().st_size
            process = running.role.process.pid
            with load.strike():
                resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
                await load.until(LATER)
                resource.prlimit(
                    process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                )

        ledger = await running.load.run("the file cannot grow, SQLite", fault, running.ready)
    only_503(ledger)
    report(ledger)


@pytest.mark.parametrize("replaced", [False, True], ids=["nothing in its place", "another in its place"])
async def test_the_file_is_taken_away_and_put_back(
    place: Place, scene: Scenes, report: Report, replaced: bool
) -> None:
    name, suffixes = place.folder / "spent.sqlite", ("", "-wal", "-shm")

    def move(*ways: tuple[str, str]) -> None:
        for old, new in ways:
            if (found := Path(f"{name}{old}")).exists():
                found.rename(f"{name}{new}")

    async with scene(SQLITE) as running:

        async def fault(load: Load) -> None:
            with load.strike():
                move(*((suffix, f".away{suffix}") for suffix in suffixes))
                if replaced:
                    name.touch(0o600)
            await load.until(LATER)
            await asyncio.wait_for(running.role.wait_ready(503), 30)
            move(*((f".away{suffix}", suffix) for suffix in suffixes))

        ledger = await running.load.run("the file is taken away, SQLite", fault, running.ready)
    only_503(ledger)
    report(ledger)
