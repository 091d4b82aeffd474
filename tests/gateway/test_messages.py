"""What the gateway says in the clear: each row of the table of errors, and nothing else (RFC 9458, 5.2)."""

import asyncio
import json
import os

import pytest
from support import raw_http
from support.gateways import (
    ANSWER,
    AUTHORITY,
    BEGUN,
    PATH,
    Gateway,
    Place,
    gateway_running,
    get,
    message,
    post,
    token,
)
from support.ohttp_keys import gateway_key
from support.raw_http import fields, read_head

from tacita import bhttp
from tacita.crypto.hpke import Aead, Kdf, Kem, Suite
from tacita.ohttp import KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestSealer

MIB = 1 << 20
CHUNKED_HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {media.REQUEST}\r\nTransfer-Encoding: chunked\r\n\r\n"
).encode()


def problem(head: bytes, body: bytes, status: int) -> dict[str, str]:
    """Check a problem document in the clear, and return the header fields it came with."""
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert named["content-type"] == "application/problem+json"
    assert named["cache-control"] == "no-store"
    assert json.loads(body)["status"] == status
    assert "server" not in named
    return named


# Methods, paths, media types


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_another_method_is_405_with_allow(gateway: Gateway, method: str) -> None:
    head, body = await gateway.raw(f"{method} {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert set(problem(head, body, 405)["allow"].split(",")) == {"GET", "HEAD", "POST"}
    head, body = await gateway.raw(f"{method} /challenge HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert set(problem(head, body, 405)["allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    "path",
    ["/", "/index.html", PATH + "/", PATH + "/x", "/gateway-echo", "/gateway-metadata", "/metrics",
     "/livez", "/readyz", "/health", "/ohttp-keys", "/ohttp-configs", "/.well-known/", "//", "/%2e%2e/"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_any_other_path_is_404(gateway: Gateway, method: str, path: str) -> None:
    head, body = await gateway.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    problem(head, body, 404)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "message/ohttp-res", "message/bhttp", "message/ohttp-req,x", "message/ohttp-reqx", ""],
)  # fmt: skip
async def test_another_media_type_is_415(gateway: Gateway, kind: str) -> None:
    problem(*await gateway.post(b"x", kind), 415)
    assert gateway.counted('refused_outside_total{status="415"}') == 1


async def test_no_media_type_and_a_content_coding_are_415(gateway: Gateway) -> None:
    none = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode()
    problem(*await gateway.raw(none), 415)
    problem(*await gateway.post(b"x", extra="Content-Encoding: gzip\r\n"), 415)


# Length and pace


async def test_an_announced_length_over_the_budget_is_413_before_anything_is_read(place: Place) -> None:
    async with gateway_running(place, token="request_bytes = 2000") as gateway:
        for kind in (media.REQUEST, media.CHUNKED_REQUEST):
            full = message(bytes(2001), kind)
            problem(*await gateway.raw(full[: full.index(b"\r\n\r\n") + 4]), 413)
        assert gateway.counted('refused_outside_total{status="413"}') == 2


async def test_a_stream_over_the_budget_is_413_while_it_comes(place: Place) -> None:
    async with gateway_running(place, token="request_bytes = 2000") as gateway:
        problem(*await gateway.raw(CHUNKED_HEAD + b"7d1\r\n" + bytes(2001) + b"\r\n"), 413)


async def test_the_budget_counts_ciphertext_and_its_last_byte_still_fits(place: Place) -> None:
    async with gateway_running(place, token="request_bytes = 2000") as gateway:
        request = bhttp.encode_request(get(token()))
        sealed, _ = oneshot.encapsulate_request(gateway.configs[0], request)
        for padding, status in ((2000 - len(sealed), 200), (2001 - len(sealed), 413)):
            padded = bhttp.encode_request(get(token()), padding=padding)
            sized, _ = oneshot.encapsulate_request(gateway.configs[0], padded)
            head, _ = await gateway.post(sized)
            assert head.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("kind", [media.REQUEST, media.CHUNKED_REQUEST])
async def test_a_request_that_stops_is_408(place: Place, kind: str) -> None:
    async with gateway_running(place, limits="piece_seconds = 0.1") as gateway:
        problem(*await gateway.raw(message(b"sealed", kind)[:-1]), 408)
        assert gateway.counted('refused_outside_total{status="408"}') == 1


@pytest.mark.parametrize("kind", [media.REQUEST, media.CHUNKED_REQUEST])
async def test_a_request_that_trickles_is_408_when_its_time_is_over(place: Place, kind: str) -> None:
    async with (
        gateway_running(place, token="seconds = 1", limits="piece_seconds = 5") as gateway,
        raw_http.connection(gateway.port) as (reader, writer),
    ):
        start = RequestSealer(gateway.configs[0]).header()
        writer.write(message(bytes(1000), kind)[:-1000])

        async def trickle() -> None:
            for byte in start:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        head = await read_head(reader)
        trickling.cancel()
        problem(head, await raw_http.read_body(reader, head), 408)


async def test_broken_framing_never_becomes_a_whole_request(place: Place) -> None:
    reached, bodies = asyncio.Event(), []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        bodies.append(await raw_http.read_body(reader, head))

    place.target.answer = answer
    async with (
        gateway_running(place, limits="piece_seconds = 0.2") as gateway,
        gateway.stream() as stream,
    ):
        stream.send(bhttp.RequestEncoder().head(post(b"", token()).head) + b"\x05first")
        await reached.wait()
        stream.writer.write(b"zz\r\n")
        # The parser below tells the next request, not this one, so its pause may be what ends it.
        assert (await stream.head()).split(b" ")[1] in {b"400", b"408"}
    assert not bodies


async def test_one_exchange_more_than_allowed_is_503_and_nothing_of_it_is_read(place: Place) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(ANSWER)

    place.target.answer = answer
    async with gateway_running(place, limits="exchanges = 1") as gateway:
        first = asyncio.create_task(gateway.ask(get(token())))
        await asked.wait()
        problem(*await gateway.post(b"x"), 503)
        go_on.set()
        assert (await first).head.status == 200
        assert (await gateway.ask(get(token()))).head.status == 200
        assert gateway.counted('refused_outside_total{status="503"}') == 1


# The constant answer


def refused_bodies(config: KeyConfig) -> dict[str, tuple[bytes, str]]:
    """Return, by name, messages that cannot be opened, and their media types."""
    request = bhttp.encode_request(get(token()))
    good, _ = oneshot.encapsulate_request(config, request)
    chunked = RequestSealer(config)
    prefix = chunked.header()
    whole = prefix + chunked.seal(request) + chunked.finish()
    foreign = gateway_key(key_id=config.key_id, seed=9).config
    suite = Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_128_GCM).to_bytes()
    assert good[1:7] == suite
    one: dict[str, bytes] = {
        "nothing": b"",
        "half a header": good[:5],
        "no ciphertext": good[:39],
        "unknown key": bytes([77]) + good[1:],
        "key of another KEM": bytes([2]) + good[1:],
        "unknown KEM": good[:1] + b"\xff\xff" + good[3:],
        "unknown KDF": good[:3] + b"\x00\x02" + good[5:],
        "export-only AEAD": good[:5] + b"\xff\xff" + good[7:],
        "small-order point": good[:7] + bytes(32) + good[39:],
        "cut": good[:-1],
        "longer": good + b"\0",
        "altered": good[:-1] + bytes([good[-1] ^ 1]),
        "another key": oneshot.encapsulate_request(foreign, request)[0],
        "the chunked form": whole,
        "noise": os.urandom(300),
    }
    other: dict[str, bytes] = {
        "nothing": b"",
        "half a header": whole[:5],
        "no chunk": prefix,
        "no final chunk": whole[:-17],
        "cut": whole[:-1],
        "longer": whole + b"\0",
        "altered": whole[:-1] + bytes([whole[-1] ^ 1]),
        "empty chunk": prefix + b"\x10" + os.urandom(16),
        "chunk too long": prefix + b"\x80\x01\x00\x00" + bytes(65536),
        "unknown key": bytes([77]) + whole[1:],
        "small-order point": whole[:7] + bytes(32) + whole[39:],
        "the one-shot form": good,
        "noise": os.urandom(300),
    }
    return {f"one-shot, {name}": (body, media.REQUEST) for name, body in one.items()} | {
        f"chunked, {name}": (body, media.CHUNKED_REQUEST) for name, body in other.items()
    }


async def test_whatever_cannot_be_opened_has_the_same_answer_byte_for_byte(
    place: Place, gateway: Gateway
) -> None:
    answers = {}
    for name, (body, kind) in refused_bodies(gateway.configs[0]).items():
        head, said = await gateway.post(body, kind)
        named = fields(head)
        named.pop("date")
        answers[name] = (head.partition(b"\r\n")[0], said, tuple(named.items()))
    assert len(set(answers.values())) == 1, answers
    line, said, named_items = next(iter(answers.values()))
    assert line == b"HTTP/1.1 422 Unprocessable Entity"
    document = json.loads(said)
    assert document["type"] == "https://iana.org/assignments/http-problem-types#ohttp-key"
    assert dict(named_items)["content-type"] == "application/problem+json"
    assert not place.target.heads
    for reason in ("unknown_key", "suite", "malformed", "undecryptable", "truncated"):
        assert gateway.counted(f'undecryptable_total{{reason="{reason}"}}') > 0


async def test_a_chunk_that_does_not_open_after_the_target_was_reached_is_422_and_burns_the_token(
    place: Place, gateway: Gateway
) -> None:
    reached, lost = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_chunk(reader)
        reached.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await raw_http.read_chunk(reader)
        lost.set()

    place.target.answer = answer
    paid = token()
    async with gateway.stream() as stream:
        stream.send(bhttp.RequestEncoder().head(post(b"", paid).head) + b"\x05first")
        await reached.wait()
        stream.transfer(b"", b"\x20" + bytes(32))
        assert (await stream.head()).startswith(b"HTTP/1.1 422 ")
    await lost.wait()
    place.target.answer = None
    assert (await gateway.ask(get(paid))).head.status == 401


# The answer's own header


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_answer_carries_no_more_than_it_needs(gateway: Gateway, chunked: bool) -> None:
    if chunked:
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(get(token())), last=True)
            named = fields(await stream.head())
        assert named["incremental"] == "?1"
        assert named["content-type"] == media.CHUNKED_RESPONSE
        expected = {"content-type", "incremental", "cache-control", "transfer-encoding", "date"}
    else:
        sealed, _ = oneshot.encapsulate_request(gateway.configs[0], bhttp.encode_request(get(token())))
        head, _ = await gateway.post(sealed)
        named = fields(head)
        assert named["content-type"] == media.RESPONSE
        expected = {"content-type", "content-length", "cache-control", "date"}
    assert set(named) == expected
    assert named["cache-control"] == "no-store"


async def test_two_exchanges_follow_each_other_on_one_connection(gateway: Gateway) -> None:
    async with raw_http.connection(gateway.port) as (reader, writer):
        for _ in range(2):
            request = bhttp.encode_request(get(token()))
            sealed, context = oneshot.encapsulate_request(gateway.configs[0], request)
            writer.write(message(sealed))
            head = await read_head(reader)
            body = await raw_http.read_body(reader, head)
            assert bhttp.decode_response(context.decapsulate_response(body)).content == b"answer"


async def test_a_one_shot_reader_that_does_not_read_is_dropped(place: Place) -> None:
    size = 6 * MIB
    place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    async with (
        gateway_running(place, token="seconds = 1") as gateway,
        raw_http.connection(gateway.port) as (_, writer),
    ):
        sealed, _ = oneshot.encapsulate_request(gateway.configs[0], bhttp.encode_request(get(token())))
        writer.write(message(sealed))
        await gateway.until("truncated_total")


async def test_a_chunked_reader_that_does_not_read_is_dropped(place: Place) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN)
        while True:
            writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
            await writer.drain()

    place.target.answer = answer
    async with (
        gateway_running(place, token="seconds = 1\nresponse_bytes = 100_000_000") as gateway,
        gateway.stream() as stream,
    ):
        stream.send(bhttp.encode_request(get(token())), last=True)
        await gateway.until("truncated_total")


async def test_the_authority_of_the_outer_request_does_not_matter(gateway: Gateway) -> None:
    sealed, _ = oneshot.encapsulate_request(gateway.configs[0], bhttp.encode_request(get(token())))
    data = message(sealed).replace(f"Host: {AUTHORITY}".encode(), b"Host: 127.0.0.1")
    head, _ = await gateway.raw(data)
    assert head.startswith(b"HTTP/1.1 200 ")
