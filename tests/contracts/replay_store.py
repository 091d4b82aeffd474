"""What every `ReplayStore` must do. Each implementation runs this suite, on the real thing.

A test module makes a class of `ReplayStoreContract` and a fixture `world`, which knows
how to open the store, take its storage away, and give it back.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from gateway.errors import ReplayRoomFull, RequestReplayed
from gateway.replay import ReplayStore
from tacita.errors import DecodeError, TacitaError
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["ALIVE", "NOW", "ROOM", "ReplayStoreContract", "World", "message", "opened", "relay", "remembered"]

NOW = int(time.time())
ALIVE = NOW + 3600
ROOM = 1 << 20


class World(Protocol):
    """The storage below one store."""

    extra: int
    """How many messages more than its room a relay may have."""

    async def open(self) -> ReplayStore:
        """Open the store once more on the same storage."""

    async def take_away(self) -> None:
        """Make the storage unusable; no open store is told."""

    async def give_back(self) -> None:
        """Make it usable again, with everything that was on it."""


def message() -> bytes:
    """Return a message that nobody has seen."""
    return secrets.token_bytes(32)


relay = message


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[ReplayStore]:
    """Open a store of `world` and close it at the end."""
    store = await world.open()
    try:
        yield store
    finally:
        await store.close()


async def remembered(
    store: ReplayStore, one: bytes, by: bytes = bytes(32), *, expires: int = ALIVE, room: int = ROOM
) -> str:
    """Return what the store said: `new`, or the name of the error."""
    try:
        await store.remember(one, relay=by, expires=expires, room=room)
    except TacitaError as error:
        return type(error).__name__
    return "new"


class ReplayStoreContract:
    """The suite. See `gateway.replay` for the rules that the tests are named after."""

    @pytest.fixture
    async def store(self, world: World) -> AsyncIterator[ReplayStore]:
        async with opened(world) as store:
            yield store

    async def test_a_message_is_new_once_whichever_relay_brings_it(self, store: ReplayStore) -> None:
        one = message()
        await store.remember(one, relay=relay(), expires=ALIVE, room=ROOM)
        for by in (relay(), relay()):
            with pytest.raises(RequestReplayed):
                await store.remember(one, relay=by, expires=ALIVE, room=ROOM)

    async def test_of_concurrent_calls_one_wins(self, world: World) -> None:
        one = message()
        async with opened(world) as first, opened(world) as second:
            said = await asyncio.gather(
                *(remembered((first, second)[place % 2], one, relay()) for place in range(100))
            )
        assert sorted(said) == ["RequestReplayed"] * 99 + ["new"]

    async def test_many_messages_at_once_get_their_own_answers(self, store: ReplayStore) -> None:
        many = [message() for _ in range(1000)]
        assert await asyncio.gather(*(remembered(store, one) for one in many[::2])) == ["new"] * 500
        said = await asyncio.gather(*(remembered(store, one) for one in many))
        assert said == ["RequestReplayed", "new"] * 500

    async def test_it_outlives_the_store(self, world: World) -> None:
        one = message()
        async with opened(world) as store:
            await store.remember(one, relay=relay(), expires=ALIVE, room=ROOM)
        await world.take_away()
        await world.give_back()
        async with opened(world) as store:
            assert await remembered(store, one) == "RequestReplayed"

    async def test_what_ends_at_another_time_is_the_same_message(self, store: ReplayStore) -> None:
        one = message()
        assert await remembered(store, one, expires=ALIVE) == "new"
        for expires in (ALIVE - 600, ALIVE, ALIVE + 86_400):
            assert await remembered(store, one, expires=expires) == "RequestReplayed"

    async def test_a_relay_has_its_room_and_no_more(self, world: World, store: ReplayStore) -> None:
        mine, room = relay(), 2000
        said = await asyncio.gather(*(remembered(store, message(), mine, room=room) for _ in range(2500)))
        assert set(said) == {"new", "ReplayRoomFull"}
        assert 0.75 * room <= said.count("new") <= room + world.extra
        assert said[:1000] == ["new"] * 1000
        if not world.extra:
            assert said == ["new"] * 2000 + ["ReplayRoomFull"] * 500

    async def test_a_full_relay_takes_nothing_from_another(self, world: World, store: ReplayStore) -> None:
        mine, other = relay(), relay()
        said = [await remembered(store, message(), mine, room=1) for _ in range(200)]
        assert said.count("new") <= 1 + world.extra
        assert "ReplayRoomFull" in said
        said = await asyncio.gather(*(remembered(store, message(), other) for _ in range(100)))
        assert said == ["new"] * 100

    async def test_what_a_full_relay_brings_is_not_remembered(self, store: ReplayStore) -> None:
        mine = relay()
        while await remembered(store, refused := message(), mine, room=1) == "new":
            pass
        assert await remembered(store, refused, relay()) == "new"

    async def test_what_has_expired_is_refused(self, store: ReplayStore) -> None:
        await store.drop_expired(NOW - 10)
        assert await remembered(store, message(), expires=NOW - 10) == "StoreUnavailable"
        assert await remembered(store, message()) == "new"

    @pytest.mark.parametrize(
        ("one", "by", "expires", "room"),
        [
            (b"", bytes(32), ALIVE, 1),
            (bytes(33), bytes(32), ALIVE, 1),
            (bytes(32), b"", ALIVE, 1),
            (bytes(32), bytes(32), 0, 1),
            (bytes(32), bytes(32), 2**40, 1),
            (bytes(32), bytes(32), ALIVE, 0),
        ],
        ids=["no digest", "long digest", "no relay", "no end", "late end", "no room"],
    )
    async def test_what_no_store_can_hold_is_refused_alone(
        self, store: ReplayStore, one: bytes, by: bytes, expires: int, room: int
    ) -> None:
        bad, good = await asyncio.gather(
            store.remember(one, relay=by, expires=expires, room=room),
            store.remember(message(), relay=relay(), expires=ALIVE, room=ROOM),
            return_exceptions=True,
        )
        assert isinstance(bad, DecodeError)
        assert good is None

    async def test_storage_that_is_away_is_told_and_forgets_nothing(self, world: World) -> None:
        async with opened(world) as store:
            before, during = message(), message()
            await store.remember(before, relay=relay(), expires=ALIVE, room=ROOM)
            await world.take_away()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.remember(during, relay=relay(), expires=ALIVE, room=ROOM)
                with pytest.raises(StoreUnavailable):
                    await store.check()
            await world.give_back()
            await store.check()
            assert await remembered(store, before) == "RequestReplayed"
            assert await remembered(store, during) == "new"

    async def test_a_closed_store_answers_nothing(self, world: World) -> None:
        async with opened(world) as store:
            await store.remember(message(), relay=relay(), expires=ALIVE, room=ROOM)
        with pytest.raises(StoreUnavailable):
            await store.remember(message(), relay=relay(), expires=ALIVE, room=ROOM)

    async def test_errors_say_nothing_of_a_message(self, world: World) -> None:
        one, by = message(), relay()
        async with opened(world) as store:
            await store.remember(one, relay=by, expires=ALIVE, room=1)
            with pytest.raises(RequestReplayed) as replayed:
                await store.remember(one, relay=by, expires=ALIVE, room=1)
            with pytest.raises(ReplayRoomFull) as full:
                await self._fill(store, by)
        for error in (replayed, full):
            assert one.hex()[:8] not in str(error.value)
            assert by.hex()[:8] not in str(error.value)

    async def _fill(self, store: ReplayStore, by: bytes) -> None:
        while True:
            await store.remember(message(), relay=by, expires=ALIVE, room=1)
