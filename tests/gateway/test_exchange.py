"""What happens inside the encapsulation: refusals, forwarding, streaming both ways, and what breaks off."""

import asyncio
import json
import time
from email.utils import formatdate

import pytest
from support import raw_http, rsa
from support.gateways import (
    ANSWER,
    AUTHORITY,
    BEGUN,
    Gateway,
    Place,
    gateway_running,
    get,
    post,
    problem_of,
    token,
)
from support.issuers import CHALLENGE
from support.ports import free_port

from gateway.fields import http_date
from tacita import bhttp
from tacita.bhttp import Content, Request, RequestEncoder, Response, ResponseHead
from tacita.ohttp import oneshot
from tacita.ohttp.oneshot import ClientContext
from tacita.ohttp.padding import padme
from tacita.privacypass import auth
from tacita.privacypass.types import blind_rsa

BOTH = pytest.mark.parametrize("chunked", [False, True], ids=["one-shot", "chunked"])


def refused(response: Response, status: int) -> dict[bytes, bytes]:
    """Check a problem document inside and return its fields."""
    found, fields, body = problem_of(response)
    assert found == status, body
    assert json.loads(body)["status"] == status
    return dict(fields)


def begin(*pieces: bytes, request: Request | None = None) -> bytes:
    """Return the start of an indeterminate-length message: head and pieces of content."""
    encoder = RequestEncoder()
    head = encoder.head((request or post(b"", token())).head)
    return head + b"".join(encoder.content(piece) for piece in pieces)


# Refusals inside


@BOTH
@pytest.mark.parametrize(
    "plain",
    [b"", b"\0", b"\x07", b"garbage", b"\1\x40\xc8\0\0\0", bhttp.encode_request(get()) + b"\1",
     b"\0\3GET\5https\1a\1/\x05\1A\1x"],
)  # fmt: skip
async def test_a_bad_inner_message_is_400(
    place: Place, gateway: Gateway, plain: bytes, chunked: bool
) -> None:
    refused(await gateway.ask(plain, chunked=chunked), 400)
    assert not place.target.heads


@BOTH
@pytest.mark.parametrize(
    "request_",
    [
        get(method=b"CONNECT", scheme=b"", path=b"", authority=b"gateway.example:443"),
        get(method=b"connect"),
        get(method=b"OPTIONS", path=b"*"),
        get((b"x", b"a\x01b")),
        get((b"x", b"\xff")),
        get((b"host", b"other.example")),
        get(authority=b""),
        post(b"x", (b"content-length", b"2")),
        post(b"xyz", (b"content-length", b"2")),
        post(b"", (b"content-length", b"2")),
        post(b"x", (b"content-length", b"1"), (b"content-length", b"1")),
        get((b"date", b"yesterday")),
    ],
    ids=lambda request: repr(request.head),
)
async def test_what_cannot_be_forwarded_is_400(
    place: Place, gateway: Gateway, request_: Request, chunked: bool
) -> None:
    head = request_.head
    paid = Request(
        bhttp.RequestHead(head.method, head.scheme, head.authority, head.path, (*head.fields, token())),
        request_.content,
    )
    refused(await gateway.ask(paid, chunked=chunked), 400)
    assert not place.target.bodies


async def test_a_head_that_is_too_large_is_431_and_a_path_414(gateway: Gateway) -> None:
    refused(await gateway.ask(get((b"x", bytes([65]) * 70_000))), 431)
    refused(await gateway.ask(get(path=b"/" + b"a" * 70_000)), 414)


@BOTH
@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"other"])
async def test_expect_is_417(place: Place, gateway: Gateway, value: bytes, chunked: bool) -> None:
    refused(await gateway.ask(post(b"x", (b"expect", value), token()), chunked=chunked), 417)
    assert not place.target.heads


@BOTH
async def test_a_target_that_is_not_listed_is_403(place: Place, gateway: Gateway, chunked: bool) -> None:
    refused(await gateway.ask(get(token(), authority=b"127.0.0.1"), chunked=chunked), 403)
    refused(await gateway.ask(get(token(), scheme=b"http"), chunked=chunked), 403)
    assert not place.target.heads


@BOTH
async def test_no_token_is_401_with_the_published_challenge(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    fields = refused(await gateway.ask(get(), chunked=chunked), 401)
    (challenge,) = auth.parse_www_authenticate(
        fields[b"www-authenticate"], token_types=[blind_rsa.TOKEN_TYPE]
    )
    assert challenge.challenge == CHALLENGE
    assert challenge.challenge.require_origin(AUTHORITY)
    assert challenge.token_key == rsa.private_key(0).public_key.spki
    assert not place.target.heads


@pytest.mark.parametrize("off", [-400, 400])
async def test_a_date_outside_the_window_is_400_with_ours(place: Place, gateway: Gateway, off: int) -> None:
    paid = token()
    sent = formatdate(time.time() + off, usegmt=True).encode()
    response = await gateway.ask(get((b"date", sent), paid))
    fields = refused(response, 400)
    assert json.loads(response.content)["type"] == "https://iana.org/assignments/http-problem-types#date"
    assert abs(http_date(fields[b"date"]) - time.time()) < 60
    again = await gateway.ask(get((b"date", fields[b"date"]), paid))
    assert again.head.status == 200, "the token was not touched"


async def test_each_date_counts(gateway: Gateway) -> None:
    now, old = (formatdate(time.time() + off, usegmt=True).encode() for off in (0, -400))
    refused(await gateway.ask(get((b"date", now), (b"date", old), token())), 400)


@BOTH
async def test_an_unreachable_target_is_502_and_a_lost_one_too(place: Place, chunked: bool) -> None:
    place.target.says(b"", then_close=True)
    more = f'[[targets]]\norigin = "https://off.example"\nurl = "http://127.0.0.1:{free_port()}"'
    async with gateway_running(place, targets=more) as gateway:
        refused(await gateway.ask(get(token(), authority=b"off.example"), chunked=chunked), 502)
        refused(await gateway.ask(get(token()), chunked=chunked), 502)


@BOTH
async def test_a_slow_target_is_504(place: Place, chunked: bool) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    place.target.answer = answer
    async with gateway_running(place, token="seconds = 1") as gateway:
        refused(await gateway.ask(get(token()), chunked=chunked), 504)
        refused(await gateway.ask(post(b"x", token()), chunked=chunked), 504)


async def test_a_target_that_does_not_take_the_body_is_504(place: Place) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    place.target.answer = answer
    async with gateway_running(place, token="seconds = 1\nrequest_bytes = 50_000_000") as gateway:
        refused(await gateway.ask(post(bytes(20_000_000), token())), 504)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + bytes([65]) * 40_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-target\r\n\r\n",
    ],
    ids=lambda answer: answer[:40].decode("latin-1"),
)
@BOTH
async def test_an_answer_that_http_does_not_allow_is_502(place: Place, answer: bytes, chunked: bool) -> None:
    place.target.says(answer, then_close=True)
    async with gateway_running(place) as gateway:
        refused(await gateway.ask(get(token()), chunked=chunked), 502)


# Forwarding


@BOTH
async def test_exactly_what_was_sent_reaches_the_target(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place.target.bodies.append(await reader.readexactly(7))
        writer.write(ANSWER)

    place.target.answer = answer
    path = b'/a/../b//c?x=%2F&y=a|b"<>^`{}\\;d=1'
    sent = post(
        b"content",
        (b"x-b", b"1"),
        token(),
        (b"accept", b"*/*"),
        (b"authorization", b"Basic abc"),
        (b"x-b", "zwölf".encode()),
        (b"cookie", b"a=b"),
        (b"cookie", b"c=d"),
        (b"content-length", b"7"),
        path=path,
        authority=b"Gateway.Example",
    )
    assert (await gateway.ask(sent, chunked=chunked)).content == b"answer"
    assert place.target.heads == [
        b"POST " + path + b" HTTP/1.1\r\n"
        b"Host: Gateway.Example\r\n"
        b"x-b: 1\r\naccept: */*\r\nauthorization: Basic abc\r\nx-b: zw\xc3\xb6lf\r\n"
        b"cookie: a=b\r\ncookie: c=d\r\ncontent-length: 7\r\n\r\n"
    ]
    assert place.target.bodies == [b"content"]


@pytest.mark.parametrize(
    "spelling", [b"PrivateToken ", b"privatetoken ", b"PRIVATETOKEN\t", b"PrivateToken,", b"PrivateToken;"]
)
async def test_nothing_that_looks_like_a_token_reaches_a_target(place: Place, spelling: bytes) -> None:
    name, value = token()
    altered = spelling + value.partition(b" ")[2]
    async with gateway_running(place) as gateway:
        await gateway.ask(get((name, altered)))
        free = await gateway.ask(get((name, altered), authority=b"free.example"))
    assert free.head.status == 200
    secret = value.partition(b'"')[2][:40]
    for head in place.target.heads:
        assert b"uthorization" not in head
        assert secret not in head


async def test_other_schemes_pass_even_when_their_name_begins_alike(place: Place, gateway: Gateway) -> None:
    await gateway.ask(get((b"authorization", b"PrivateTokens x"), token()))
    assert "authorization: PrivateTokens x" in place.target.lines


async def test_a_target_that_costs_no_token_gets_none_and_spends_none(place: Place, gateway: Gateway) -> None:
    paid = token()
    assert (await gateway.ask(get(authority=b"free.example"))).head.status == 200
    assert (await gateway.ask(get(paid, authority=b"free.example"))).head.status == 200
    assert (await gateway.ask(get(paid))).head.status == 200


@BOTH
async def test_head_204_and_304_have_no_content_but_keep_their_fields(place: Place, chunked: bool) -> None:
    async with gateway_running(place) as gateway:
        place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: x\r\n\r\n")
        response = await gateway.ask(get(token(), method=b"HEAD"), chunked=chunked)
        assert response == Response(ResponseHead(200, ((b"content-length", b"1000"), (b"etag", b"x"))))
        place.target.says(b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n")
        assert await gateway.ask(get(token()), chunked=chunked) == Response(
            ResponseHead(204, ((b"x", b"1"),))
        )
        place.target.says(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n")
        assert (await gateway.ask(get(token()), chunked=chunked)).head.status == 304


async def test_a_coded_content_passes_as_it_is(place: Place, gateway: Gateway) -> None:
    coded = b"\x1f\x8b\x00\x01"
    place.target.says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n" + coded)
    response = await gateway.ask(get(token()))
    assert (b"content-encoding", b"gzip") in response.head.fields
    assert response.content == coded


async def test_an_answer_with_both_lengths_is_not_passed_on_with_a_wrong_one(
    place: Place, gateway: Gateway
) -> None:
    place.target.says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\n\r\n"
    )
    response = await gateway.ask(get(token()))
    if response.head.status == 200:
        assert not any(name == b"content-length" for name, _ in response.head.fields)
        assert response.content == b"answer"
    else:
        refused(response, 502)


@BOTH
async def test_a_head_longer_than_a_chunk_arrives(place: Place, chunked: bool) -> None:
    lines = [b"x-%d: %b" % (number, b"v" * 7_000) for number in range(4)]
    place.target.says(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines) + b"\r\nContent-Length: 0\r\n\r\n")
    async with gateway_running(place) as gateway:
        response = await gateway.ask(get(token()), chunked=chunked)
    assert len(response.head.fields) == 5
    assert response.head.fields[3] == (b"x-3", b"v" * 7_000)


@BOTH
async def test_large_contents_arrive_unchanged(place: Place, gateway: Gateway, chunked: bool) -> None:
    sent, back = bytes(range(256)) * 3000, bytes(reversed(range(256))) * 20_000
    place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(back) + back)
    response = await gateway.ask(post(sent, token()), chunked=chunked)
    assert place.target.bodies == [sent]
    assert response.content == back


async def test_a_request_is_sent_once_even_when_a_kept_connection_breaks(
    place: Place, gateway: Gateway
) -> None:
    await gateway.ask(get(token()))
    place.target.says(b"", then_close=True)
    refused(await gateway.ask(get(token())), 502)
    assert len(place.target.heads) == 2


# Streaming


async def test_pieces_of_the_request_reach_the_target_before_its_end(place: Place, gateway: Gateway) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await raw_http.read_chunk(reader):
            seen.put_nowait(chunk)
        writer.write(ANSWER)

    place.target.answer = answer
    async with gateway.stream() as stream:
        stream.send(begin(b"first"))
        assert await seen.get() == b"first"
        stream.send(b"\5other")
        assert await seen.get() == b"other"
        stream.send(b"\0\0", last=True)
        assert (await stream.response()).content == b"answer"


async def test_pieces_of_the_answer_reach_the_client_before_the_next_is_sent(
    place: Place, gateway: Gateway
) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in (BEGUN, b"5\r\nfirst\r\n", b"5\r\nother\r\n", b"0\r\n\r\n"):
            writer.write(part)
            await go_on.wait()
            go_on.clear()

    place.target.answer = answer
    async with gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(token())), last=True)
        assert isinstance(await stream.next(), ResponseHead)
        for piece in (b"first", b"other"):
            go_on.set()
            assert await stream.next() == Content(piece)
        go_on.set()
        assert isinstance(await stream.next(), bhttp.End)
        go_on.set()


async def test_answer_and_request_may_overlap(place: Place, gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN)
        while chunk := await raw_http.read_chunk(reader):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        writer.write(b"0\r\n\r\n")

    place.target.answer = answer
    async with gateway.stream() as stream:
        stream.send(begin(b"first"))
        assert isinstance(await stream.next(), ResponseHead)
        assert await stream.next() == Content(b"first")
        stream.send(b"\5other")
        assert await stream.next() == Content(b"other")
        stream.send(b"\0\0", last=True)
        assert isinstance(await stream.next(), bhttp.End)


@pytest.mark.parametrize("close", [False, True])
async def test_an_answer_before_the_end_of_the_request_comes_back_whole(
    place: Place, gateway: Gateway, close: bool
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_chunk(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if close:
            raise ConnectionAbortedError
        await reader.read()

    place.target.answer = answer
    async with gateway.stream() as stream:
        stream.send(begin(b"first"))
        response = await stream.response()
        assert (response.head.status, response.content) == (413, b"big")
        stream.send(b"\5other\0\0", last=True)


async def test_content_in_single_bytes_is_joined_before_it_is_sent_on(place: Place, gateway: Gateway) -> None:
    sizes = []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "content-length" in raw_http.fields(head):
            sizes.append(len(await raw_http.read_body(reader, head)))
        else:
            while chunk := await raw_http.read_chunk(reader):
                sizes.append(len(chunk))
        writer.write(ANSWER)

    place.target.answer = answer
    for chunked in (False, True):
        sizes.clear()
        message = begin() + b"\1x" * 8000 + b"\0\0"
        assert (await gateway.ask(message, chunked=chunked)).content == b"answer"
        assert sum(sizes) == 8000
        assert len(sizes) < 5


# What breaks off


async def test_a_target_that_dies_in_the_answer_truncates_a_chunked_one(
    place: Place, gateway: Gateway
) -> None:
    received = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN + b"5\r\nfirst\r\n")
        await received.wait()
        raise ConnectionAbortedError

    place.target.answer = answer
    paid = token()
    async with gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(paid)), last=True)
        assert isinstance(await stream.next(), ResponseHead)
        assert await stream.next() == Content(b"first")
        received.set()
        with pytest.raises(asyncio.IncompleteReadError):
            await stream.next()
        assert await stream.reader.read() == b"", "the connection is closed"
    assert gateway.counted("truncated_total") == 1
    place.target.answer = None
    refused(await gateway.ask(get(paid)), 401)


@pytest.mark.parametrize(
    "start", [BEGUN + b"5\r\nfirst\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst"]
)
async def test_a_target_that_dies_in_the_answer_is_502_in_a_one_shot_one(
    place: Place, gateway: Gateway, start: bytes
) -> None:
    place.target.says(start, then_close=True)
    refused(await gateway.ask(get(token())), 502)


async def test_an_answer_over_the_budget_is_truncated_or_502(place: Place) -> None:
    place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n" + bytes(6000))
    async with gateway_running(place, token="response_bytes = 5000") as gateway:
        refused(await gateway.ask(get(token())), 502)
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(get(token())), last=True)
            assert isinstance(await stream.next(), ResponseHead)
            with pytest.raises(asyncio.IncompleteReadError):
                await stream.rest()
        assert gateway.counted("truncated_total") == 1


async def test_the_budget_for_an_answer_counts_all_of_its_ciphertext_but_padding(place: Place) -> None:
    async with gateway_running(place, token="response_bytes = 5000") as gateway:
        for size in range(4800, 5001, 20):
            place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
            message, context = sealed(gateway, get(token()))
            _, body = await gateway.post(message)
            response = bhttp.decode_response(context.decapsulate_response(body))
            assert len(body) <= padme(5000) + 48  # nonce and tag
            assert response.head.status == (200 if size <= 4920 else 502)


def sealed(gateway: Gateway, request: Request) -> tuple[bytes, ClientContext]:
    """Return `request` encapsulated in the one-shot form."""
    return oneshot.encapsulate_request(gateway.configs[0], bhttp.encode_request(request))


async def test_a_head_over_the_budget_is_502_in_the_one_shot_form(place: Place) -> None:
    place.target.says(b"HTTP/1.1 200 OK\r\nX: " + b"v" * 6000 + b"\r\nContent-Length: 0\r\n\r\n")
    async with gateway_running(place, token="response_bytes = 5000") as gateway:
        refused(await gateway.ask(get(token())), 502)


async def test_an_answer_over_the_time_is_truncated_or_504(place: Place) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN)
        while True:
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)

    place.target.answer = answer
    async with gateway_running(place, token="seconds = 1") as gateway:
        refused(await gateway.ask(get(token())), 504)
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(get(token())), last=True)
            assert isinstance(await stream.next(), ResponseHead)
            with pytest.raises(asyncio.IncompleteReadError):
                await stream.rest()


@pytest.mark.parametrize("form", ["one-shot", "chunked"])
@pytest.mark.parametrize("during", ["wait", "answer"])
async def test_a_client_that_goes_away_closes_the_connection_to_the_target_and_has_spent(
    place: Place, gateway: Gateway, during: str, form: str
) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if during == "answer":
            writer.write(BEGUN + b"5\r\nfirst\r\n")
            await writer.drain()
        arrived.set()
        assert await reader.read() == b""
        closed.set()

    place.target.answer = answer
    paid = token()
    if form == "chunked":
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(get(paid)), last=True)
            await arrived.wait()
            if during == "answer":
                assert isinstance(await stream.next(), ResponseHead)
    else:
        message, _ = sealed(gateway, get(paid))
        asking = asyncio.create_task(gateway.post(message))
        await arrived.wait()
        asking.cancel()
    await closed.wait()
    place.target.answer = None
    refused(await gateway.ask(get(paid)), 401)


async def test_a_client_that_goes_away_while_it_sends_has_spent(place: Place, gateway: Gateway) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_chunk(reader)
        arrived.set()
        assert await reader.read() == b""
        closed.set()

    place.target.answer = answer
    paid = token()
    async with gateway.stream() as stream:
        stream.send(begin(b"first", request=post(b"", paid)))
        await arrived.wait()
    await closed.wait()
    place.target.answer = None
    refused(await gateway.ask(get(paid)), 401)
