"""The SQLite store: the contract on a real file, and what only a file can suffer."""

import asyncio
import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from contracts.spent_store import ALIVE, NOW, SpentStoreContract, is_spent, key, nonce, opened

from gateway.stores import SqliteStore, open_store
from tacita.errors import ConfigError
from tacita.privacypass.spent import SpentStore, StoreUnavailable


class FileWorld:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "spent file?.db"
        self.location = str(self.path)

    async def open(self) -> SpentStore:
        return await open_store(self.location)

    async def take_away(self) -> None:
        for part in self._parts():
            part.rename(part.with_name(f"away {part.name}"))

    async def give_back(self) -> None:
        for part in self.path.parent.glob("away *"):
            part.rename(part.with_name(part.name.removeprefix("away ")))

    def _parts(self) -> list[Path]:
        return [part for part in self.path.parent.iterdir() if part.name.startswith(self.path.name)]


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return FileWorld(tmp_path)


class TestContract(SpentStoreContract):
    pass


async def test_only_the_owner_reads_the_files(world: FileWorld) -> None:
    before = os.umask(0)
    try:
        async with opened(world) as store:
            await store.reserve(key(), nonce(), expires=ALIVE)
            modes = {part.suffix: stat.S_IMODE(part.stat().st_mode) for part in world.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {".db": 0o600, ".db-wal": 0o600, ".db-shm": 0o600}
    world.path.chmod(0o644)
    async with opened(world):
        assert stat.S_IMODE(world.path.stat().st_mode) == 0o600


async def test_a_locked_file_is_unavailable_until_it_is_free(world: FileWorld) -> None:
    issuer, token = key(), nonce()
    async with opened(world) as store:
        await store.check()
        with closing(sqlite3.connect(world.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.reserve(issuer, token, expires=ALIVE)
        assert not await is_spent(store, issuer, token)


@contextmanager
def no_larger_files(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_takes_no_more_is_unavailable_until_it_does(world: FileWorld) -> None:
    issuer, token = key(), nonce()
    async with opened(world) as store:
        before = await store.reserve(issuer, nonce(), expires=ALIVE)
        with no_larger_files(4096), pytest.raises(StoreUnavailable):
            await store.reserve(issuer, token, expires=ALIVE)
        assert not await is_spent(store, issuer, token)
        assert await is_spent(store, issuer, before.nonce)


async def test_a_new_file_in_place_of_the_old_one_is_not_used(world: FileWorld) -> None:
    async with opened(world) as store:
        await store.check()
        await world.take_away()
        async with opened(world):
            with pytest.raises(StoreUnavailable, match="replaced"):
                await store.reserve(key(), nonce(), expires=ALIVE)


async def test_a_damaged_file_is_unavailable(world: FileWorld) -> None:
    issuer = key()
    async with opened(world) as store:
        await asyncio.gather(*(store.reserve(issuer, nonce(), expires=ALIVE) for _ in range(1000)))
    with world.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (world.path.stat().st_size - 4096))
    with pytest.raises((StoreUnavailable, ConfigError)):
        async with opened(world) as store:
            await store.reserve(issuer, nonce(), expires=ALIVE)


async def test_processes_that_open_together_agree(world: FileWorld) -> None:
    issuer, token = key(), nonce()
    stores = await asyncio.gather(*(world.open() for _ in range(8)))
    answers = await asyncio.gather(*(is_spent(store, issuer, token) for store in stores))
    await asyncio.gather(*(store.close() for store in stores))
    assert sorted(answers) == [False] + [True] * 7


async def test_the_next_key_reuses_the_space_of_the_dead_one(world: FileWorld) -> None:
    sizes = []
    for end in range(ALIVE, ALIVE + 4):
        async with opened(world) as store:
            issuer = key()
            await asyncio.gather(*(store.reserve(issuer, nonce(), expires=end) for _ in range(5000)))
            assert await store.drop_expired(end) == 1
        sizes.append(world.path.stat().st_size)
    assert max(sizes) < 1.2 * sizes[0]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("PRAGMA user_version = 2", "schema version 2"),
        ("PRAGMA application_id = 7", "another application"),
    ],
)
async def test_another_schema_is_refused(world: FileWorld, statement: str, sentence: str) -> None:
    async with opened(world):
        pass
    with closing(sqlite3.connect(world.path, isolation_level=None)) as other:
        other.execute(statement)
    with pytest.raises(ConfigError, match=sentence):
        await world.open()


async def test_another_database_is_refused(world: FileWorld) -> None:
    with closing(sqlite3.connect(world.path)) as other:
        other.execute("CREATE TABLE accounts (name TEXT)")
    with pytest.raises(ConfigError, match="another application"):
        await world.open()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("bread, milk\n" * 100)
    for path in (text, tmp_path, tmp_path / "missing" / "spent.db"):
        with pytest.raises(ConfigError):
            await SqliteStore.open(path)
    with os.scandir(tmp_path) as left:
        assert [entry.name for entry in left] == ["notes.txt"]


async def test_a_dead_key_without_entries_leaves_no_trace(world: FileWorld) -> None:
    async with opened(world) as store:
        assert await store.drop_expired(NOW) == 0
        assert not await is_spent(store, key(), nonce(), NOW)
