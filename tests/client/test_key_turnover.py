"""Requests that were blinded under a key that stops issuing before they arrive: asked again, once."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from support.issuers import charged
from support.worlds import World, served, world_running

from tacita.client.endpoints import IssuerEndpoints
from tacita.client.errors import SourcesDisagree
from tacita.client.issuance import fetch_credential, fetch_tokens
from tacita.client.token_requests import KeyTurnedOver, under_the_issuing_key
from tacita.client.trust import Trust
from tacita.privacypass import batch
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import arc, blind_rsa

PERIOD = 4
LIMIT = 4


@pytest_asyncio.fixture
async def turning(tmp_path: Path) -> AsyncIterator[World]:
    async with world_running(tmp_path, types=("blind-rsa", "arc"), key_period=PERIOD, limit=LIMIT) as running:
        yield running


class Held:
    """An issuer behind a slow line: the first request arrives after the next boundary."""

    def __init__(self, onward: str) -> None:
        self._onward = onward
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        if len(self.bodies) == 1:
            await asyncio.sleep(PERIOD - time.time() % PERIOD + 0.3)
        names = ("Accept", "Content-Type", "Authorization")
        headers = {name: request.headers[name] for name in names}
        async with (
            ClientSession() as session,
            session.post(self._onward, data=self.bodies[-1], headers=headers) as response,
        ):
            self.statuses.append(response.status)
            kind = {"Content-Type": response.headers["Content-Type"]}
            return web.Response(status=response.status, body=await response.read(), headers=kind)


Fetch = Callable[[IssuerEndpoints, Trust, str], Awaitable[Any]]


@pytest.mark.parametrize(
    ("fetch", "refusal", "price"),
    [
        (lambda issuer, trust, credential: fetch_tokens(issuer, trust, credential, 3), 400, 3),
        (fetch_credential, 422, LIMIT),
    ],
    ids=["a batch", "a credential"],
)
async def test_a_key_that_turned_over_under_way(
    turning: World, fetch: Fetch, refusal: int, price: int
) -> None:
    trust = await turning.trust()
    held = Held(turning.endpoints.issuer.token_request)
    async with served(held.handle) as origin:
        got = await fetch(turning.with_issuer(origin).issuer, trust, turning.credential)
    assert held.statuses == [refusal, 200]
    # A fresh request, and not the same one under another name.
    assert held.bodies[0][-100:] != held.bodies[1][-100:]
    assert charged(turning.folder) == [price]
    kind = arc.TOKEN_TYPE if isinstance(got, arc.Credential) else blind_rsa.TOKEN_TYPE
    used = {got.key.key_id} if isinstance(got, arc.Credential) else {token.token_key_id for token in got}
    # One that was published before, and that the caller's trust lists.
    assert used <= trust.key_ids(kind)


async def test_once_and_no_more(turning: World) -> None:
    asked = []

    async def refusing(request: web.Request) -> web.StreamResponse:
        asked.append(await request.read())
        await asyncio.sleep(PERIOD - time.time() % PERIOD + 0.3 if len(asked) == 1 else 0)
        return web.Response(status=422)

    trust = await turning.trust()
    async with served(refusing) as origin:
        with pytest.raises(KeyTurnedOver):
            await fetch_tokens(turning.with_issuer(origin).issuer, trust, turning.credential, 3)
    assert len(asked) == 2


async def test_not_where_the_key_is_still_the_one(world: World) -> None:
    """What is refused for another reason would be refused again."""
    asked = []

    async def refusing(request: web.Request) -> web.StreamResponse:
        asked.append(await request.read())
        return web.Response(status=400, headers={"Content-Type": batch.RESPONSE_MEDIA_TYPE})

    async with served(refusing) as origin:
        with pytest.raises(KeyTurnedOver):
            await fetch_tokens(world.with_issuer(origin).issuer, await world.trust(), world.credential, 3)
    assert len(asked) == 1


async def test_an_issuer_that_refuses_cannot_have_a_key_of_its_own_used(world: World) -> None:
    """R1: the fresh directory comes from both mirrors, or nothing is asked again."""
    asked = []

    async def refusing(request: web.Request) -> web.StreamResponse:
        asked.append(await request.read())
        return web.Response(status=422)

    async def lying(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"{}", headers={"Content-Type": "application/json"})

    async with served(refusing) as origin, served(lying) as mirror:
        trust = await world.trust()
        split = world.with_documents("mirror", challenge=f"{mirror}/challenge")
        with pytest.raises(SourcesDisagree):
            await fetch_tokens(
                world.with_issuer(origin).issuer, replace(trust, endpoints=split), world.credential, 3
            )
    assert len(asked) == 1


class Fixed(Trust):
    """A trust whose mirrors show `fresh` when they are asked again."""

    fresh: Trust

    async def again(self) -> Any:
        return type(self).fresh


OLD, NEW, LATER, STRANGE = (TokenKey(2, bytes((number,)), 100 * number) for number in range(1, 5))


@pytest.mark.parametrize(
    ("now", "known", "shown", "expected"),
    [
        (203, (NEW, OLD), (LATER, NEW, OLD), [NEW, OLD]),  # our clock is a little ahead
        (198, (NEW, OLD), (NEW, OLD), [OLD, NEW]),  # it is a little behind
        (150, (NEW, OLD), (NEW, OLD), [OLD]),  # far from any boundary
        (250, (NEW, OLD), (NEW, OLD), [NEW]),
        (302, (LATER, NEW), (STRANGE, LATER, NEW), [LATER, NEW]),
        (405, (LATER, NEW), (STRANGE, LATER, NEW), [LATER]),  # not one that nobody has seen before
    ],
)
async def test_which_key_is_asked_under_then(
    world: World,
    now: float,
    known: tuple[TokenKey, ...],
    shown: tuple[TokenKey, ...],
    expected: list[TokenKey],
) -> None:
    trust = await world.trust()
    parts = (trust.key_config, trust.challenge)
    Fixed.fresh = Trust(*parts, IssuerDirectory("/", shown))
    mine = Fixed(*parts, IssuerDirectory("/", known), world.endpoints)
    tried = []

    async def attempt(key: TokenKey) -> None:
        tried.append(key)
        raise KeyTurnedOver("no")

    with pytest.raises(KeyTurnedOver):
        await under_the_issuing_key(mine, 2, attempt, lambda: now)
    assert tried == expected
    tried.clear()
    with pytest.raises(KeyTurnedOver):
        await under_the_issuing_key(
            replace(trust, issuer=mine.issuer, endpoints=None), 2, attempt, lambda: now
        )
    assert tried == expected[:1]
