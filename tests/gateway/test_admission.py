"""What becomes of a token, on real stores: verified, reserved, committed, given back."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from support import raw_http, rsa
from support.gateways import AUTHORITY, BEGUN, Gateway, Place, gateway_running, get, post, problem_of, token
from support.issuers import CHALLENGE
from support.ports import free_port
from support.redis_server import DURABLE, RedisServer

from tacita import bhttp
from tacita.bhttp import Content, Field, ResponseHead
from tacita.privacypass import auth
from tacita.privacypass.challenge import TokenChallenge
from tacita.wire import base64url

FAILED = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


async def status(gateway: Gateway, paid: Field) -> int:
    return (await gateway.ask(get(paid))).head.status


def entries(place: Place) -> list[str]:
    """Return the entries of the store, read straight from its file."""
    with closing(sqlite3.connect(place.folder / "spent.sqlite")) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE name GLOB 'spent_[0-9]*'").fetchall()
        return [entry for (table,) in tables for (entry,) in db.execute(f"SELECT entry FROM {table}")]  # noqa: S608


def altered(field: Field, offset: int) -> Field:
    """Return a token with one bit flipped."""
    encoded = bytearray(auth.parse_authorization(field[1]).encode())
    encoded[offset] ^= 1
    return b"authorization", b'PrivateToken token="' + base64url.encode(bytes(encoded)).encode() + b'"'


async def test_a_second_spend_is_refused_inside(place: Place, gateway: Gateway) -> None:
    paid = token()
    assert await status(gateway, paid) == 200
    assert problem_of(await gateway.ask(get(paid)))[0] == 401
    assert problem_of(await gateway.ask(get(paid), chunked=True))[0] == 401
    assert len(place.target.heads) == 1
    assert gateway.counted('tokens_total{event="spent"}') == 2
    assert gateway.counted('tokens_total{event="committed"}') == 1


@pytest.mark.parametrize("offset", [0, 2, 34, 66, 98, 353])
async def test_a_token_with_any_bit_altered_is_refused(place: Place, gateway: Gateway, offset: int) -> None:
    paid = token()
    assert await status(gateway, altered(paid, offset)) == 401
    assert not place.target.heads
    assert await status(gateway, paid) == 200, "the real one is untouched"


@pytest.mark.parametrize(
    "challenge",
    [
        TokenChallenge(2, "issuer.example", b"", ()),
        TokenChallenge(2, "issuer.example", b"", ("other.example",)),
        TokenChallenge(2, "issuer.example", bytes(32), (AUTHORITY,)),
        TokenChallenge(2, "other.example", b"", (AUTHORITY,)),
        TokenChallenge(1, "issuer.example", b"", (AUTHORITY,)),
    ],
)
async def test_a_token_for_another_challenge_is_refused(
    place: Place, gateway: Gateway, challenge: TokenChallenge
) -> None:
    assert await status(gateway, token(challenge=challenge)) == 401
    assert not place.target.heads


async def test_a_token_of_another_issuer_key_is_refused(place: Place, gateway: Gateway) -> None:
    assert await status(gateway, token(rsa.private_key(1))) == 401
    assert not place.target.heads


@pytest.mark.parametrize(
    "value",
    [b"PrivateToken", b"PrivateToken token", b'PrivateToken token=""', b"PrivateToken token=%",
     b"PrivateToken x=y", b'PrivateToken token="' + b"A" * 8000 + b'"', b"PrivateToken \xc3\xa4"],
)  # fmt: skip
async def test_what_is_no_token_is_refused_with_the_challenge(
    place: Place, gateway: Gateway, value: bytes
) -> None:
    found, fields, _ = problem_of(await gateway.ask(get((b"authorization", value))))
    assert found == 401
    (challenge,) = auth.parse_www_authenticate(dict(fields)[b"www-authenticate"], token_types=[2])
    assert challenge.challenge == CHALLENGE
    assert not place.target.heads


async def test_two_tokens_in_one_request_are_refused_and_neither_is_spent(
    place: Place, gateway: Gateway
) -> None:
    one, other = token(), token()
    assert problem_of(await gateway.ask(get(one, other)))[0] == 401
    assert not place.target.heads
    assert [await status(gateway, paid) for paid in (one, other)] == [200, 200]


async def test_of_fifty_at_once_exactly_one_reaches_the_target(place: Place, gateway: Gateway) -> None:
    paid = token()
    found = await asyncio.gather(*(gateway.ask(get(paid), chunked=bool(n % 2)) for n in range(50)))
    assert sorted(response.head.status for response in found) == [200] + [401] * 49
    assert len(place.target.heads) == 1


async def test_of_fifty_at_once_over_two_gateways_and_one_redis_exactly_one_reaches_the_target(
    place: Place, redis_server: RedisServer
) -> None:
    paid = token()
    store = f'redis = "{redis_server.address}"'
    async with gateway_running(place, store=store) as one, gateway_running(place, store=store) as other:
        found = await asyncio.gather(*((one, other)[n % 2].ask(get(paid)) for n in range(50)))
    assert sorted(response.head.status for response in found) == [200] + [401] * 49
    assert len(place.target.heads) == 1


async def test_a_token_survives_two_500s_and_not_a_third(place: Place, gateway: Gateway) -> None:
    paid = token()
    place.target.says(FAILED)
    for _ in range(3):
        response = await gateway.ask(get(paid))
        assert (response.head.status, response.content) == (500, b"oops")
    assert await status(gateway, paid) == 401
    assert len(place.target.heads) == 3
    assert gateway.counted('tokens_total{event="released"}') == 2
    assert gateway.counted('tokens_total{event="burnt"}') == 1


async def test_a_token_that_came_back_buys_one_answer(place: Place, gateway: Gateway) -> None:
    paid = token()
    place.target.says(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    assert await status(gateway, paid) == 503
    place.target.answer = None
    assert [await status(gateway, paid) for _ in range(2)] == [200, 401]


async def test_a_token_survives_an_unreachable_target(place: Place) -> None:
    more = f'[[targets]]\norigin = "https://off.example"\nurl = "http://127.0.0.1:{free_port()}"'
    async with gateway_running(place, targets=more) as gateway:
        paid = token()
        for request in (get(paid, authority=b"off.example"), post(b"x", paid, authority=b"off.example")):
            assert problem_of(await gateway.ask(request, chunked=True))[0] == 502
        assert await status(gateway, paid) == 200


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"]
)
async def test_a_token_does_not_survive_a_target_that_was_reached(place: Place, answer: bytes) -> None:
    async with gateway_running(place) as gateway:
        paid = token()
        place.target.says(answer, then_close=True)
        await gateway.ask(get(paid))
        assert await status(gateway, paid) == 401
        assert len(place.target.heads) == 1


async def test_a_token_is_committed_before_the_first_sealed_byte(place: Place, gateway: Gateway) -> None:
    states: list[str] = []
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        states.extend(entries(place))
        writer.write(BEGUN)
        await go_on.wait()
        writer.write(b"0\r\n\r\n")

    place.target.answer = answer
    async with gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(token())), last=True)
        assert isinstance(await stream.next(), ResponseHead)
        assert [entry[0] for entry in entries(place)] == ["c"]
        go_on.set()
        await stream.rest()
    assert [entry[0] for entry in states] == ["r"], "it was reserved before the target was asked"


async def test_no_byte_of_the_answer_leaves_while_the_store_hangs(
    place: Place, redis_server: RedisServer
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_server.pause()
        writer.write(BEGUN + b"5\r\nfirst\r\n0\r\n\r\n")

    place.target.answer = answer
    async with (
        gateway_running(place, store=f'redis = "{redis_server.address}"') as gateway,
        gateway.stream() as stream,
    ):
        stream.send(bhttp.encode_request(get(token())), last=True)
        # The store gives up after two seconds: the token stays reserved, and the answer goes out.
        assert isinstance(await stream.next(), ResponseHead)
        assert gateway.counted('tokens_total{event="burnt"}') == 1
        assert await stream.next() == Content(b"first")
        redis_server.resume()


async def test_a_store_that_is_down_is_503_inside_and_nothing_reaches_the_target(
    place: Place, redis_server: RedisServer
) -> None:
    async with gateway_running(place, store=f'redis = "{redis_server.address}"') as gateway:
        assert await status(gateway, token()) == 200
        redis_server.kill()
        paid = token()
        for chunked in (False, True):
            found, fields, _ = problem_of(await gateway.ask(get(paid), chunked=chunked))
            assert found == 503
            assert b"www-authenticate" not in dict(fields)
        assert len(place.target.heads) == 1
        redis_server.start()
        assert await status(gateway, paid) == 200


async def test_spent_tokens_are_kept_longer_than_their_key_by_what_clocks_differ(
    place: Place, gateway: Gateway
) -> None:
    assert await status(gateway, token()) == 200
    (key,) = place.token_keys
    with closing(sqlite3.connect(place.folder / "spent.sqlite")) as db:
        ((expires,),) = db.execute("SELECT expires FROM partition").fetchall()
    assert key.not_before is not None
    assert expires == key.not_before + 14 * 86_400 + 300


async def test_a_client_that_goes_before_the_target_answers_has_spent(place: Place, gateway: Gateway) -> None:
    asked = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()

    place.target.answer = answer
    paid = token()
    async with gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(paid)), last=True)
        await asked.wait()
    place.target.answer = None
    assert await status(gateway, paid) == 401


async def test_the_answer_of_a_token_that_could_not_be_given_back_is_the_targets(
    place: Place, redis_server: RedisServer
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_body(reader, head)
        redis_server.kill()
        writer.write(FAILED)

    place.target.answer = answer
    async with gateway_running(place, store=f'redis = "{redis_server.address}"') as gateway:
        assert await status(gateway, token()) == 500
        assert gateway.counted('tokens_total{event="burnt"}') == 1
