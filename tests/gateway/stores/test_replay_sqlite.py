"""The replay cache in a file: the contract, and how what has expired goes."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from contracts.replay_store import ALIVE, NOW, ROOM, ReplayStoreContract, message, opened, relay, remembered

from gateway.replay import ReplayStore
from gateway.stores import open_replay_store, open_store, replay_file
from tacita.errors import ConfigError


class FileWorld:
    extra = 0

    def __init__(self, folder: Path) -> None:
        self.path = folder / "spent file?.db.replay"

    async def open(self) -> ReplayStore:
        return await open_replay_store(str(self.path))

    async def take_away(self) -> None:
        for part in self.path.parent.iterdir():
            part.rename(part.with_name(f"away {part.name}"))

    async def give_back(self) -> None:
        for part in self.path.parent.glob("away *"):
            part.rename(part.with_name(part.name.removeprefix("away ")))


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return FileWorld(tmp_path)


class TestContract(ReplayStoreContract):
    pass


async def test_what_has_expired_goes_in_slices_and_makes_room(
    world: FileWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_file, "SLICE", 3)
    monkeypatch.setattr("gateway.stores.replay_sqlite.SLICE", 3)
    mine = relay()
    async with opened(world) as store:
        for end in (NOW + 60,) * 7 + (ALIVE,):
            await store.remember(message(), relay=mine, expires=end, room=8)
        assert await remembered(store, message(), mine, room=8) == "ReplayRoomFull"
        assert await store.drop_expired(NOW + 59) == 0
        assert await store.drop_expired(NOW + 60) == 7
        # A count ends with its minute.
        assert await store.drop_expired(NOW + 120) == 0
        said = [await remembered(store, message(), mine, room=8) for _ in range(8)]
        assert said == ["new"] * 7 + ["ReplayRoomFull"]
    with closing(sqlite3.connect(world.path)) as db:
        assert db.execute("SELECT count(*), min(expires) FROM seen").fetchone() == (8, ALIVE)
        assert db.execute("SELECT sum(messages), count(*) FROM held").fetchone() == (8, 1)


async def test_what_would_have_been_dropped_is_refused(world: FileWorld) -> None:
    one = message()
    async with opened(world) as store:
        await store.remember(one, relay=relay(), expires=NOW + 60, room=ROOM)
        await store.drop_expired(NOW + 60)
        assert await remembered(store, one, expires=NOW + 60) == "StoreUnavailable"


async def test_only_the_owner_reads_it_and_it_is_no_store_of_tokens(world: FileWorld) -> None:
    async with opened(world):
        assert stat.S_IMODE(world.path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="belongs to another application"):
        await open_store(str(world.path))


async def test_a_file_of_another_version_is_refused_in_one_sentence(world: FileWorld) -> None:
    async with opened(world):
        pass
    with closing(sqlite3.connect(world.path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match=r"schema version 2, but this release reads version 1"):
        await world.open()
