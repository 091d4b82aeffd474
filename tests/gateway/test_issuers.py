"""The issuer's keys as a mirror publishes them: when they are taken, and what a bad mirror changes."""

import asyncio
from dataclasses import replace

import pytest
from support import raw_http, rsa
from support.gateways import NOT_BEFORE, Place, gateway_running, get, problem_of, token
from support.ports import free_port

from gateway.config import IssuerConfig
from gateway.errors import IssuerKeysMissing
from gateway.issuers import IssuerKeys
from tacita.errors import TacitaError
from tacita.privacypass.directory import TokenKey
from tacita.privacypass.errors import ForeignToken
from tacita.service.logs import Logger

KEY = rsa.private_key(0).public_key
OTHER = rsa.private_key(1).public_key


class World:
    """Keys of a mirror on a clock of their own."""

    def __init__(self, place: Place, key_seconds: int = 1000) -> None:
        self.now = float(NOT_BEFORE)
        url = f"http://127.0.0.1:{place.directory_port}/directory"
        self.config = IssuerConfig(name="issuer.example", directory=url, key_seconds=key_seconds)
        self.keys = IssuerKeys(self.config, lambda: self.now, Logger("gateway", {}))


async def test_before_the_first_directory_no_token_can_be_told(place: Place) -> None:
    world = World(place)
    with pytest.raises(IssuerKeysMissing):
        world.keys.find(2, KEY.key_id)
    assert world.keys.issuing(2) is None


async def test_a_key_is_taken_from_its_not_before_to_its_end(place: Place) -> None:
    world = World(place)
    await world.keys.refresh()
    for now, taken in ((-6, False), (0, True), (999, True), (1000, False)):
        world.now = NOT_BEFORE + now
        if taken:
            assert world.keys.find(2, KEY.key_id).expires == NOT_BEFORE + 1000
            assert world.keys.issuing(2) is world.keys.find(2, KEY.key_id)
        else:
            assert world.keys.issuing(2) is None
            with pytest.raises(ForeignToken):
                world.keys.find(2, KEY.key_id)
    with pytest.raises(ForeignToken):
        world.keys.find(2, OTHER.key_id)


async def test_a_key_of_an_issuer_whose_clock_is_a_little_ahead_is_taken(place: Place) -> None:
    world = World(place)
    await world.keys.refresh()
    world.now = NOT_BEFORE - 5
    assert world.keys.find(2, KEY.key_id).not_before == NOT_BEFORE


async def test_the_issuing_key_is_the_first_that_is_valid(place: Place) -> None:
    place.token_keys = (TokenKey(2, OTHER.spki, NOT_BEFORE + 500), *place.token_keys)
    world = World(place)
    await world.keys.refresh()
    assert world.keys.issuing(2) is world.keys.find(2, KEY.key_id)
    world.now += 500
    assert world.keys.issuing(2) is world.keys.find(2, OTHER.key_id)
    assert world.keys.find(2, KEY.key_id), "the older one is still redeemed"


async def test_a_key_without_not_before_lives_from_when_it_was_first_seen(place: Place) -> None:
    place.token_keys = (TokenKey(2, KEY.spki),)
    world = World(place)
    await world.keys.refresh()
    world.now += 600
    await world.keys.refresh()
    assert world.keys.find(2, KEY.key_id).not_before == NOT_BEFORE


async def test_keys_of_other_types_are_passed_over_and_a_directory_without_ours_is_refused(
    place: Place,
) -> None:
    world = World(place)
    place.token_keys = (TokenKey(0x0001, b"x" * 49, NOT_BEFORE), *place.token_keys)
    await world.keys.refresh()
    place.token_keys = place.token_keys[:1]
    with pytest.raises(TacitaError):
        await world.keys.refresh()
    assert world.keys.find(2, KEY.key_id), "the last good copy stays in use"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    b"Content-Type: application/private-token-issuer-directory\r\n\r\n{}",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    b"",
])  # fmt: skip
async def test_a_bad_mirror_changes_nothing(place: Place, answer: bytes) -> None:
    world = World(place)
    await world.keys.refresh()

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_head(reader)
        writer.write(answer)

    async with raw_http.serving(mirror) as port:
        world.keys.config = IssuerConfig(name="x", directory=f"http://127.0.0.1:{port}/d")
        with pytest.raises(TacitaError):
            await world.keys.refresh()
    assert world.keys.find(2, KEY.key_id)


async def test_a_malformed_key_changes_nothing(place: Place) -> None:
    world = World(place)
    await world.keys.refresh()
    place.token_keys = (replace(place.token_keys[0], public_key=b"no key"),)
    with pytest.raises(TacitaError):
        await world.keys.refresh()
    assert world.keys.find(2, KEY.key_id)


async def test_an_unchanged_directory_is_asked_for_by_its_digest(place: Place) -> None:
    world = World(place)
    await world.keys.refresh()
    await world.keys.refresh()
    assert b"if-none-match" not in place.fetched[0].lower()
    assert b'if-none-match: "sha256-' in place.fetched[1].lower()
    assert b"cookie" not in place.fetched[1].lower()
    assert b"user-agent" not in place.fetched[1].lower()


async def test_without_a_directory_the_gateway_is_not_ready_and_answers_503_inside(place: Place) -> None:
    place.directory_port = free_port()
    async with gateway_running(place, wait=False) as gateway:
        paid = await gateway.ask(get(token()))
        assert problem_of(paid)[0] == 503
        found, fields, _ = problem_of(await gateway.ask(get()))
        assert found == 401
        assert b"token-key" not in dict(fields)[b"www-authenticate"]
        assert gateway.service is not None
        assert "issuer_keys" in gateway.service.readiness.missing
    assert not place.target.heads
