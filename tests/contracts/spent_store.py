"""What every `SpentStore` must do. Each implementation runs this suite, on the real thing.

A test module makes a class of `SpentStoreContract` and a fixture `world`, which knows
how to open the store, take its storage away, and give it back.
"""

import asyncio
import random
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from gateway.stores.calls import Call, Verb, transition
from tacita.errors import DecodeError
from tacita.privacypass.spent import MAX_RELEASES, Reservation, SpentStore, StoreUnavailable, TokenSpent

__all__ = ["ALIVE", "NOW", "SpentStoreContract", "World", "is_spent", "key", "nonce", "opened"]

NOW = int(time.time())
ALIVE = NOW + 3600

_SPENDER = Path(__file__).parents[1] / "support" / "spender.py"


class World(Protocol):
    """The storage below one store."""

    location: str
    """What `open_store` takes."""

    async def open(self) -> SpentStore:
        """Open the store once more on the same storage."""

    async def take_away(self) -> None:
        """Make the storage unusable; no open store is told."""

    async def give_back(self) -> None:
        """Make it usable again, with everything that was on it."""


def nonce() -> bytes:
    """Return the nonce of a token that nobody has seen."""
    return secrets.token_bytes(32)


key = nonce


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[SpentStore]:
    """Open a store of `world` and close it at the end."""
    store = await world.open()
    try:
        yield store
    finally:
        await store.close()


async def is_spent(store: SpentStore, token_key_id: bytes, token: bytes, expires: int = ALIVE) -> bool:
    """Return whether `store` refuses the token; one that it does not refuse is reserved now."""
    try:
        await store.reserve(token_key_id, token, expires=expires)
    except TokenSpent:
        return True
    return False


class SpentStoreContract:
    """The suite. See `tacita.privacypass.spent` for the rules that the tests are named after."""

    @pytest.fixture
    async def store(self, world: World) -> AsyncIterator[SpentStore]:
        async with opened(world) as store:
            yield store

    async def test_a_token_is_reserved_once(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        assert await store.reserve(issuer, token, expires=ALIVE) == Reservation(issuer, token, 0, ALIVE)
        with pytest.raises(TokenSpent):
            await store.reserve(issuer, token, expires=ALIVE)

    async def test_of_concurrent_reserves_one_wins(self, world: World) -> None:
        issuer, token = key(), nonce()
        async with opened(world) as one, opened(world) as other:
            answers = await asyncio.gather(
                *((one, other)[place % 2].reserve(issuer, token, expires=ALIVE) for place in range(100)),
                return_exceptions=True,
            )
        assert sum(isinstance(answer, Reservation) for answer in answers) == 1
        assert sum(isinstance(answer, TokenSpent) for answer in answers) == 99

    async def test_many_tokens_at_once_get_their_own_answers(self, store: SpentStore) -> None:
        issuers = [key() for _ in range(3)]
        tokens = [(issuers[place % 3], nonce()) for place in range(1000)]
        for issuer, token in tokens[::2]:
            await store.reserve(issuer, token, expires=ALIVE)
        spent = await asyncio.gather(*(is_spent(store, issuer, token) for issuer, token in tokens))
        assert spent == [place % 2 == 0 for place in range(1000)]

    async def test_a_released_token_can_be_reserved_again(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        for releases in range(MAX_RELEASES):
            held = await store.reserve(issuer, token, expires=ALIVE)
            assert held.releases == releases
            assert await store.release(held) is True
        last = await store.reserve(issuer, token, expires=ALIVE)
        assert last.releases == MAX_RELEASES
        assert await store.release(last) is False
        assert await is_spent(store, issuer, token)

    async def test_a_committed_token_stays_spent(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        held = await store.reserve(issuer, token, expires=ALIVE)
        await store.commit(held)
        await store.commit(held)
        assert await store.release(held) is False
        assert await is_spent(store, issuer, token)

    async def test_a_commit_after_a_release_spends(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        held = await store.reserve(issuer, token, expires=ALIVE)
        assert await store.release(held)
        await store.commit(held)
        assert await is_spent(store, issuer, token)

    async def test_a_late_release_does_not_free_the_next_reservation(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        early = await store.reserve(issuer, token, expires=ALIVE)
        assert await store.release(early)
        assert await store.release(early)
        late = await store.reserve(issuer, token, expires=ALIVE)
        assert late.releases == 1
        assert await store.release(early) is False
        assert await is_spent(store, issuer, token)
        assert await store.release(late)

    async def test_every_sequence_of_calls_follows_the_state_machine(self, store: SpentStore) -> None:
        async def walk(seed: int) -> None:
            chance = random.Random(seed)
            issuer, token = key(), nonce()
            held: list[Reservation] = []
            entry: str | None = None
            for _ in range(12):
                verb = chance.choice(list(Verb)) if held else Verb.RESERVE
                mine = chance.choice(held) if held else Reservation(issuer, token, 0, ALIVE)
                call = Call(verb, issuer, token, ALIVE, 0 if verb is Verb.RESERVE else mine.releases)
                after, answer = transition(call, entry)
                entry = after or entry
                if verb is Verb.COMMIT:
                    await store.commit(mine)
                elif verb is Verb.RELEASE:
                    assert await store.release(mine) is (answer == "f")
                elif answer == "s":
                    assert await is_spent(store, issuer, token)
                else:
                    held.append(await store.reserve(issuer, token, expires=ALIVE))
                    assert held[-1].releases == int(answer)

        await asyncio.gather(*(walk(seed) for seed in range(300)))

    async def test_keys_are_independent(self, store: SpentStore) -> None:
        token = nonce()
        assert not await is_spent(store, key(), token)
        assert not await is_spent(store, key(), token)

    async def test_everything_survives_a_restart(self, world: World) -> None:
        issuer, reserved, committed, released = key(), nonce(), nonce(), nonce()
        async with opened(world) as store:
            await store.reserve(issuer, reserved, expires=ALIVE)
            await store.commit(await store.reserve(issuer, committed, expires=ALIVE))
            await store.release(await store.reserve(issuer, released, expires=ALIVE))
        await world.take_away()
        await world.give_back()
        async with opened(world) as store:
            assert await is_spent(store, issuer, reserved)
            assert await is_spent(store, issuer, committed)
            assert (await store.reserve(issuer, released, expires=ALIVE)).releases == 1

    async def test_a_dead_key_is_forgotten_whole_and_no_other(self, store: SpentStore) -> None:
        first, second = key(), key()
        tokens = [nonce() for _ in range(600)]
        for issuer, expires in ((first, ALIVE), (second, ALIVE + 1)):
            await asyncio.gather(*(store.reserve(issuer, token, expires=expires) for token in tokens))
        assert await store.drop_expired(ALIVE - 1) == 0
        assert await is_spent(store, first, tokens[0])
        assert await store.drop_expired(ALIVE) == 1
        assert await store.drop_expired(ALIVE) == 0
        for issuer, expected in ((first, False), (second, True)):
            answers = await asyncio.gather(*(is_spent(store, issuer, token, ALIVE + 9) for token in tokens))
            assert answers == [expected] * len(tokens)

    async def test_a_partition_lives_until_the_latest_end_that_was_named(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        await store.reserve(issuer, token, expires=ALIVE)
        held = await store.reserve(issuer, token[:1] + nonce()[1:], expires=ALIVE + 5)
        await store.reserve(issuer, token[:1] + nonce()[1:], expires=ALIVE)
        assert await store.drop_expired(ALIVE + 4) == 0
        assert await is_spent(store, issuer, held.nonce)

    async def test_a_dead_key_does_not_come_back(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        # A store with a clock refuses at once, one without after the key was dropped.
        with suppress(TokenSpent):
            await store.reserve(issuer, token, expires=NOW - 10)
        await store.drop_expired(NOW)
        with pytest.raises(TokenSpent):
            await store.reserve(issuer, token, expires=NOW - 10)
        late = Reservation(issuer, token, 0, NOW - 10)
        await store.commit(late)
        assert await store.release(late) is False

    @pytest.mark.parametrize("size", [0, 31, 33])
    async def test_other_sizes_are_refused(self, store: SpentStore, size: int) -> None:
        with pytest.raises(DecodeError):
            await store.reserve(key(), bytes(size), expires=ALIVE)
        with pytest.raises(DecodeError):
            await store.reserve(bytes(size), nonce(), expires=ALIVE)

    @pytest.mark.parametrize("expires", [-1, 0, 2**40])
    async def test_other_times_are_refused(self, store: SpentStore, expires: int) -> None:
        with pytest.raises(DecodeError):
            await store.reserve(key(), nonce(), expires=expires)

    async def test_without_storage_nothing_is_let_through(self, world: World, store: SpentStore) -> None:
        issuer = key()
        held = await store.reserve(issuer, nonce(), expires=ALIVE)
        await store.check()
        await world.take_away()
        calls = [store.reserve(issuer, nonce(), expires=ALIVE) for _ in range(20)]
        answers = await asyncio.gather(
            *calls, store.commit(held), store.release(held), store.check(), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 23
        with pytest.raises(StoreUnavailable):
            await store.drop_expired(NOW)
        await world.give_back()
        await store.check()
        assert await is_spent(store, issuer, held.nonce)
        assert not await is_spent(store, issuer, nonce())

    async def test_errors_tell_neither_peer_nor_place(self, world: World, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        await store.reserve(issuer, token, expires=ALIVE)
        with pytest.raises(TokenSpent) as spent:
            await store.reserve(issuer, token, expires=ALIVE)
        await world.take_away()
        with pytest.raises(StoreUnavailable) as unavailable:
            await store.reserve(issuer, token, expires=ALIVE)
        await world.give_back()
        for error in (spent.value, unavailable.value):
            assert token.hex() not in str(error)
            assert world.location.removeprefix("unix://") not in str(error)
            assert error.__cause__ is None

    async def test_a_closed_store_refuses(self, world: World) -> None:
        store = await world.open()
        waiting = asyncio.create_task(store.reserve(key(), nonce(), expires=ALIVE))
        await asyncio.sleep(0)
        await store.close()
        await store.close()
        assert isinstance(await waiting, Reservation)
        for call in (store.reserve(key(), nonce(), expires=ALIVE), store.check(), store.drop_expired(NOW)):
            with pytest.raises(StoreUnavailable):
                await call

    async def test_a_caller_that_is_cancelled_harms_nobody(self, store: SpentStore) -> None:
        issuer, token = key(), nonce()
        leaving = [asyncio.create_task(store.reserve(issuer, nonce(), expires=ALIVE)) for _ in range(10)]
        staying = asyncio.create_task(store.reserve(issuer, token, expires=ALIVE))
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        assert (await staying).nonce == token
        assert await is_spent(store, issuer, token)
        assert not await is_spent(store, issuer, nonce())

    async def test_a_killed_gateway_leaves_spent_what_was_acknowledged(self, world: World) -> None:
        issuer = key()
        acknowledged = await asyncio.to_thread(_spend_and_kill, world.location, issuer)
        assert len(acknowledged) >= 2000
        async with opened(world) as store:
            assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in acknowledged)))


def _spend_and_kill(location: str, issuer: bytes) -> list[bytes]:
    """Run the spender, kill it in the middle, and return the nonces that it had acknowledged."""
    command = [sys.executable, str(_SPENDER), location, issuer.hex(), str(ALIVE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as spender:
        assert spender.stdout is not None
        lines = [spender.stdout.readline() for _ in range(2000)]
        spender.kill()
        lines += spender.stdout.readlines()
    # The last line may be cut off.
    return [bytes.fromhex(line.decode()) for line in lines if len(line) == 65]
