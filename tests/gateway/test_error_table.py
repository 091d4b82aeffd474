"""The table of errors, cell by cell (RFC 9458, 5.2, 6.4, 6.5): with what the gateway answers, and where.

Each cell is asked by both ways in, the fast lane and aiohttp, and in both forms of a message. What the
refusals depend on in detail is tested beside the code that decides it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
from support import lanes, rsa
from support.gateways import AUTHORITY, PATH, Place, gateway_running, get, message, post, problem_of, token
from support.issuers import CHALLENGE
from support.ohttp_keys import gateway_key
from support.ports import free_port
from support.raw_http import fields, read_body
from support.redis_server import DURABLE, RedisServer
from support.ways import WAYS, ByWay, ask

from gateway.config import KeysConfig
from gateway.fields import http_date
from gateway.keys import Keyring
from tacita import bhttp
from tacita.bhttp import Request, Response
from tacita.net.message import Request as Received
from tacita.ohttp import KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.privacypass import auth
from tacita.privacypass.types import blind_rsa

OHTTP_KEY = "https://iana.org/assignments/http-problem-types#ohttp-key"
DATE = "https://iana.org/assignments/http-problem-types#date"
KINDS = {False: media.REQUEST, True: media.CHUNKED_REQUEST}

Running = Callable[..., AbstractAsyncContextManager[ByWay]]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return the way in."""
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["one-shot", "chunked"])
def chunked(request: pytest.FixtureRequest) -> bool:
    """Return the form of the message."""
    return bool(request.param)


@pytest.fixture
def running(place: Place, way: str) -> Running:
    """Return what runs a gateway that is asked by one way."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[ByWay]:
        async with gateway_running(place, **changes) as gateway:
            yield ByWay(gateway, way)

    return start


@pytest.fixture
async def gateway(running: Running) -> AsyncIterator[ByWay]:
    async with running() as gateway:
        yield gateway


def outside(answer: tuple[bytes, bytes], status: int) -> tuple[dict[str, str], str]:
    """Expect a problem document in the clear; return its header fields and its type."""
    head, body = answer
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert named["content-type"] == "application/problem+json"
    assert named["cache-control"] == "no-store"
    assert "server" not in named
    document = json.loads(body)
    assert document["status"] == status
    return named, document["type"]


def inside(response: Response, status: int) -> tuple[dict[bytes, bytes], str]:
    """Expect a problem document inside; return its header fields and its type."""
    found, named, body = problem_of(response)
    document = json.loads(body)
    assert (found, document["status"]) == (status, status), body
    return dict(named), document["type"]


async def test_the_two_ways_are_two(way: str) -> None:
    kinds = []

    async def handle(request: Received) -> None:
        kinds.append(type(request).__name__)
        await request.answer(200, (), b"")

    async with lanes.port({"/echo": handle}) as port:
        await ask(port.number, way, lanes.post())
    assert kinds == [{"lane": "LaneRequest", "aiohttp": "CarriedRequest"}[way]]


# In the clear: the message as a message


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"])
async def test_another_method_is_405_with_allow(gateway: ByWay, method: str) -> None:
    data = message(b"sealed").replace(b"POST ", f"{method} ".encode(), 1)
    named, _ = outside(await gateway.raw(data), 405)
    assert set(named["allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_another_media_type_is_415(gateway: ByWay, chunked: bool) -> None:
    outside(await gateway.post(b"sealed", "message/ohttp-res"), 415)
    outside(await gateway.post(b"sealed", KINDS[chunked], extra="Content-Encoding: gzip\r\n"), 415)


async def test_a_message_that_is_too_long_is_413_before_it_has_come(running: Running, chunked: bool) -> None:
    async with running(token="request_bytes = 2000") as gateway:
        whole = message(bytes(2001), KINDS[chunked])
        outside(await gateway.raw(whole[: whole.index(b"\r\n\r\n") + 4]), 413)


async def test_a_message_that_is_too_slow_is_408(running: Running, chunked: bool) -> None:
    async with running(limits="piece_seconds = 0.1") as gateway:
        outside(await gateway.raw(message(b"sealed", KINDS[chunked])[:-1]), 408)


@pytest.mark.parametrize("path", ["/", PATH + "/", PATH + "/x", "/challenge/", "/gateway-echo", "//"])
async def test_any_other_path_is_404(gateway: ByWay, path: str) -> None:
    for method in ("GET", "POST"):
        outside(await gateway.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 404)


# In the clear: what cannot be opened has one constant answer


def sealed_for(config: KeyConfig, *, chunked: bool) -> bytes:
    """Return a good request, sealed for `config`."""
    request = bhttp.encode_request(get(token()))
    if not chunked:
        return oneshot.encapsulate_request(config, request)[0]
    sealer = RequestSealer(config)
    return sealer.header() + sealer.seal(request) + sealer.finish()


def unopenable(config: KeyConfig, retired: KeyConfig, *, chunked: bool) -> dict[str, bytes]:
    """Return a message for each reason why none of the gateway's keys opens it."""
    good = sealed_for(config, chunked=chunked)
    foreign = gateway_key(key_id=config.key_id, seed=9).config
    return {
        "unknown key id": bytes([config.key_id ^ 0x80]) + good[1:],
        "retired key id": sealed_for(retired, chunked=chunked),
        "KEM that the key is not of": good[:1] + b"\x00\x10" + good[3:],
        "bad suite": good[:5] + b"\xff\xff" + good[7:],
        "undecryptable": good[:-1] + bytes([good[-1] ^ 1]),
        "another gateway's key": sealed_for(foreign, chunked=chunked),
        "malformed": good[:5],
        "nothing": b"",
    }


def earlier_key(place: Place) -> KeyConfig:
    """Return a key that this gateway published in the epoch before, whose grace is over."""
    period = 86_400
    config = KeysConfig(state=place.folder / "keys.json", kems=("x25519", "p256"), grace_seconds=0)
    # In the middle of it, so that the gateway that starts now is in the next one.
    keyring = Keyring(config, clock=lambda: time.time() // period * period - period / 2)
    keyring.turn()
    return keyring.shown.published[0]


async def test_what_cannot_be_opened_is_422_in_the_same_bytes(place: Place) -> None:
    answers = {}
    retired = earlier_key(place)
    async with gateway_running(place, keys="grace_seconds = 0") as bare:
        assert retired.key_id not in {config.key_id for config in bare.configs}
        for way in WAYS:
            gateway = ByWay(bare, way)
            for chunked, kind in KINDS.items():
                for reason, body in unopenable(bare.configs[0], retired, chunked=chunked).items():
                    answer = await gateway.post(body, kind)
                    named, problem_type = outside(answer, 422)
                    assert problem_type == OHTTP_KEY
                    del named["date"]
                    answers[way, kind, reason] = (answer[1], frozenset(named.items()))
        for reason in ("unknown_key", "suite", "malformed", "undecryptable"):
            assert bare.counted(f'undecryptable_total{{reason="{reason}"}}') > 0
    assert len(set(answers.values())) == 1, answers
    assert not place.target.heads


# Inside: the request


@pytest.mark.parametrize("plain", [b"", b"\x07", bhttp.encode_request(get()) + b"\1"])
async def test_a_bad_inner_message_is_400(gateway: ByWay, chunked: bool, plain: bytes) -> None:
    inside(await gateway.ask(plain, chunked=chunked), 400)


async def test_connect_is_400(place: Place, gateway: ByWay, chunked: bool) -> None:
    tunnel = get(token(), method=b"CONNECT", scheme=b"", path=b"", authority=b"gateway.example:443")
    inside(await gateway.ask(tunnel, chunked=chunked), 400)
    assert not place.target.heads


async def test_an_expectation_is_417(place: Place, gateway: ByWay, chunked: bool) -> None:
    asked = post(b"x", (b"expect", b"100-continue"), token())
    inside(await gateway.ask(asked, chunked=chunked), 417)
    assert not place.target.heads


async def test_a_date_outside_the_window_is_400_with_ours(gateway: ByWay, chunked: bool) -> None:
    paid, off = token(), formatdate(time.time() - 400, usegmt=True).encode()
    named, problem_type = inside(await gateway.ask(get((b"date", off), paid), chunked=chunked), 400)
    assert problem_type == DATE
    assert abs(http_date(named[b"date"]) - time.time()) < 60
    again = await gateway.ask(get((b"date", named[b"date"]), paid), chunked=chunked)
    assert again.head.status == 200, "the client retries once, with the same token"


async def test_a_target_that_is_not_allowed_is_403(place: Place, gateway: ByWay, chunked: bool) -> None:
    inside(await gateway.ask(get(token(), authority=b"elsewhere.example"), chunked=chunked), 403)
    assert not place.target.heads


# Inside: the token


def challenged(response: Response) -> None:
    named, _ = inside(response, 401)
    (challenge,) = auth.parse_www_authenticate(named[b"www-authenticate"], token_types=[blind_rsa.TOKEN_TYPE])
    assert challenge.challenge == CHALLENGE
    assert challenge.token_key == rsa.private_key(0).public_key.spki


async def test_no_token_is_401_with_the_challenge(place: Place, gateway: ByWay, chunked: bool) -> None:
    challenged(await gateway.ask(get(), chunked=chunked))
    assert not place.target.heads


async def test_a_spent_token_is_401_with_the_challenge(place: Place, gateway: ByWay, chunked: bool) -> None:
    paid = token()
    assert (await gateway.ask(get(paid), chunked=chunked)).head.status == 200
    challenged(await gateway.ask(get(paid), chunked=chunked))
    assert len(place.target.heads) == 1


async def test_an_invalid_token_is_401_with_the_challenge(
    place: Place, gateway: ByWay, chunked: bool
) -> None:
    name, value = token()
    spoilt = value[:-8] + (b"AAAA" if value[-8:-4] != b"AAAA" else b"BBBB") + value[-4:]
    for wrong in (spoilt, token(rsa.private_key(1))[1], b"PrivateToken token=x"):
        challenged(await gateway.ask(get((name, wrong)), chunked=chunked))
    assert not place.target.heads


async def test_a_replayed_message_for_an_open_target_is_400(
    place: Place, gateway: ByWay, chunked: bool
) -> None:
    sealed = sealed_open(gateway.configs[0], chunked=chunked)
    head, first = await gateway.post(sealed, KINDS[chunked])
    again, second = await gateway.post(sealed, KINDS[chunked])
    assert head.split(b" ")[1] == again.split(b" ")[1] == b"200", "the refusal is inside"
    assert first != second
    assert len(place.target.heads) == 1
    assert gateway.counted('answers_total{status="400"}') == 1


def sealed_open(config: KeyConfig, *, chunked: bool) -> bytes:
    request = bhttp.encode_request(get(authority=b"free.example"))
    if not chunked:
        return oneshot.encapsulate_request(config, request)[0]
    sealer = RequestSealer(config)
    return sealer.header() + sealer.seal(request) + sealer.finish()


async def test_a_store_that_is_down_is_503(place: Place, running: Running, chunked: bool) -> None:
    with RedisServer(**DURABLE) as server:
        async with running(store=f'redis = "{server.address}"') as gateway:
            server.kill()
            inside(await gateway.ask(get(token()), chunked=chunked), 503)
            inside(await gateway.ask(get(authority=b"free.example"), chunked=chunked), 503)
    assert not place.target.heads


# Inside: the target


@pytest.mark.parametrize("failure", ["refuses", "closes", "speaks something else"])
async def test_a_target_that_cannot_be_reached_is_502(
    place: Place, running: Running, chunked: bool, failure: str
) -> None:
    off = f'[[targets]]\norigin = "https://off.example"\nurl = "http://127.0.0.1:{free_port()}"'
    place.target.says(b"" if failure == "closes" else b"SSH-2.0-target\r\n\r\n", then_close=True)
    authority = b"off.example" if failure == "refuses" else AUTHORITY.encode()
    paid = token()
    asked: Request = get(paid, authority=authority)
    async with running(targets=off) as gateway:
        inside(await gateway.ask(asked, chunked=chunked), 502)
        place.target.answer = None
        again = await gateway.ask(get(paid), chunked=chunked)
    # Only where nothing has seen the request, the token comes back.
    assert again.head.status == (200 if failure == "refuses" else 401)


async def test_a_target_that_is_slow_is_504(place: Place, running: Running, chunked: bool) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        await reader.read()

    place.target.answer = answer
    async with running(token="seconds = 1") as gateway:
        inside(await gateway.ask(get(token()), chunked=chunked), 504)
