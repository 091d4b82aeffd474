"""Eleven behaviours that probes of another gateway showed, and that this one must not have."""

import asyncio
import json
from pathlib import Path

import pytest
from support import raw_http
from support.gateways import (
    PATH,
    Gateway,
    Place,
    Target,
    gateway_running,
    get,
    message,
    post,
    problem_of,
    token,
)

from tacita import bhttp
from tacita.bhttp import Informational, Request, ResponseHead
from tacita.crypto.hpke import Aead, Kdf, Suite
from tacita.ohttp import KeyConfig, media, oneshot

BOTH = pytest.mark.parametrize("chunked", [False, True], ids=["one-shot", "chunked"])


@BOTH
async def test_1_a_redirect_is_passed_back_and_not_followed(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    forbidden = Target()
    async with raw_http.serving(forbidden.handle) as port:
        where = f"http://127.0.0.1:{port}/".encode()
        place.target.says(b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")
        response = await gateway.ask(get(token()), chunked=chunked)
    assert response.head == ResponseHead(302, ((b"location", where), (b"content-length", b"0")))
    assert not forbidden.heads


@BOTH
async def test_2_trailers_are_taken_and_none_becomes_a_field(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    trailers = ((b"x-trailer", b"1"), (b"authorization", b"Basic x"), (b"content-length", b"3"))
    for content in (b"content", b""):
        sent = Request(post(b"", token(), (b"content-length", b"%d" % len(content))).head, content, trailers)
        assert (await gateway.ask(sent, chunked=chunked)).content == b"answer"
        assert b"trailer" not in place.target.heads[-1]
    assert place.target.bodies == [b"content", b""]


@BOTH
async def test_2_trailers_and_informational_answers_of_a_target_do_no_harm(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    place.target.says(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n6\r\nanswer\r\n0\r\nX: 1\r\n\r\n"
    )
    response = await gateway.ask(get(token()), chunked=chunked)
    assert (response.head.status, response.content) == (200, b"answer")
    assert response.informational == (Informational(103, ((b"link", b"</x>"),)), Informational(102))
    assert response.trailers == ((b"x", b"1"),)


@BOTH
async def test_3_truncated_and_indeterminate_messages_are_taken(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    for form in ("known", "indeterminate"):
        whole = bhttp.encode_request(get(token()), form=form)  # type: ignore[arg-type]
        for missing in range(3 if form == "known" else 2):
            plain = bhttp.encode_request(get(token()), form=form)[: len(whole) - missing]  # type: ignore[arg-type]
            assert (await gateway.ask(plain, chunked=chunked)).content == b"answer"
        padded = bhttp.encode_request(get(token()), form=form, padding=100)  # type: ignore[arg-type]
        assert (await gateway.ask(padded, chunked=chunked)).content == b"answer"
    control_data_alone = b"\0\3GET\5https\x10free.example:443\1/"
    assert (await gateway.ask(control_data_alone, chunked=chunked)).content == b"answer"


@BOTH
async def test_4_repeated_fields_stay_apart_in_both_directions(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX: 1\r\nSet-Cookie: b=2\r\nX: 2\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    place.target.answer = answer
    sent = get((b"x-a", b"1"), (b"accept", b"text/plain"), (b"x-a", b"2"), (b"accept", b"text/html"), token())
    response = await gateway.ask(sent, chunked=chunked)
    assert place.target.lines[2:] == ["x-a: 1", "accept: text/plain", "x-a: 2", "accept: text/html"]
    assert response.head.fields[:4] == (
        (b"set-cookie", b"a=1; Path=/"),
        (b"x", b"1"),
        (b"set-cookie", b"b=2"),
        (b"x", b"2"),
    )


@BOTH
async def test_5_fields_of_one_connection_stop_in_both_directions(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    place.target.says(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Named\r\nKeep-Alive: timeout=5\r\nX-Named: 1\r\n"
        b"Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\nX-Kept: 1\r\n\r\n"
    )
    sent = get(
        (b"connection", b"x-named, close"),
        (b"x-named", b"1"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"websocket"),
        (b"proxy-authorization", b"Basic x"),
        (b"keep-alive", b"1"),
        (b"x-kept", b"1"),
        token(),
    )
    response = await gateway.ask(sent, chunked=chunked)
    assert place.target.lines == ["GET / HTTP/1.1", "Host: gateway.example", "x-kept: 1"]
    assert response.head.fields == ((b"content-length", b"0"), (b"x-kept", b"1"))


def resident() -> int:
    """Return the memory of this process in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.parametrize("kind", [media.REQUEST, media.CHUNKED_REQUEST])
async def test_6_a_body_of_64_mib_is_refused_early_in_flat_memory(gateway: Gateway, kind: str) -> None:
    start = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    piece = b"10000\r\n" + bytes([1]) * 65_536 + b"\r\n"
    before = resident()
    async with raw_http.connection(gateway.port) as (reader, writer):
        writer.write(f"{start}Transfer-Encoding: chunked\r\n\r\n".encode())
        heading = asyncio.create_task(raw_http.read_head(reader))
        for _ in range(1024):
            if heading.done():
                break
            writer.write(piece)
            await writer.drain()
        status = int((await heading).split(b" ")[1])
    assert status == (413 if kind == media.REQUEST else 422)
    assert resident() - before < 16 << 20
    head, _ = await gateway.raw(f"{start}Content-Length: {64 << 20}\r\n\r\n".encode())
    assert head.startswith(b"HTTP/1.1 413 ")


async def test_7_each_refusal_has_its_own_status_and_no_path_is_a_page(gateway: Gateway) -> None:
    async def status(data: bytes) -> int:
        head, _ = await gateway.raw(data)
        return int(head.split(b" ")[1])

    sealed, _ = oneshot.encapsulate_request(gateway.configs[0], bhttp.encode_request(get(token())))
    assert await status(message(bytes([99]) + sealed[1:])) == 422
    assert await status(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n") == 404
    assert await status(f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()) == 405
    assert await status(message(sealed, "text/plain")) == 415
    assert await status(message(sealed, "Message/OHTTP-req ; charset=utf-8; x=y")) == 200


async def test_8_key_ids_may_be_mixed_at_the_same_time(place: Place, gateway: Gateway) -> None:
    requests = [gateway.ask(get(token()), chunked=bool(n % 3), key=n % 2) for n in range(40)]
    assert {response.content for response in await asyncio.gather(*requests)} == {b"answer"}


async def test_9_connections_to_the_target_are_kept(tmp_path: Path, place: Place) -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await place.target.handle(reader, writer)

    async with raw_http.serving(count) as port:
        place.target.port = port
        async with gateway_running(place) as gateway:
            for _ in range(5):
                await asyncio.gather(*(gateway.ask(get(token())) for _ in range(8)))
    assert connections <= 8


@BOTH
async def test_10_only_published_suites_are_taken(gateway: Gateway, chunked: bool) -> None:
    kinds = {False: media.REQUEST, True: media.CHUNKED_REQUEST}
    mine = gateway.configs[0]
    everything = KeyConfig(mine.key_id, mine.kem, mine.public_key, mine.symmetric_algorithms)
    for aead in Aead:
        suite = Suite(mine.kem, Kdf.HKDF_SHA256, aead)
        sealed, _ = oneshot.encapsulate_request(everything, bhttp.encode_request(get(token())), suite=suite)
        head, _ = await gateway.post(sealed)
        assert head.startswith(b"HTTP/1.1 200 ")
    for kdf, algorithm in ((2, 1), (3, 1), (1, 0xFFFF), (1, 4), (0, 0)):
        odd = sealed[:3] + kdf.to_bytes(2, "big") + algorithm.to_bytes(2, "big") + sealed[7:]
        head, body = await gateway.post(odd, kinds[chunked])
        assert head.startswith(b"HTTP/1.1 422 ")
        assert json.loads(body)["type"].endswith("#ohttp-key")
    assert gateway.counted('undecryptable_total{reason="suite"}') == 5


@pytest.mark.parametrize("path", ["/gateway-echo", "/gateway-metadata", "/echo", "/metadata"])
async def test_11_there_are_no_echo_and_metadata_endpoints(place: Place, gateway: Gateway, path: str) -> None:
    for method in ("GET", "POST"):
        head, _ = await gateway.raw(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert head.startswith(b"HTTP/1.1 404 ")
    inside = await gateway.ask(get(token(), path=path.encode(), authority=b"echo.example"))
    assert problem_of(inside)[0] == 403
