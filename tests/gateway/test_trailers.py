"""Trailers of requests and answers, and what precedes an answer: carried where both sides have a place."""

import asyncio

import pytest
from support import raw_http
from support.gateways import ANSWER, Gateway, Place, post, token

from tacita import bhttp
from tacita.bhttp import Informational, Request

BOTH = pytest.mark.parametrize("chunked", [False, True], ids=["one-shot", "chunked"])


class Recorder:
    """A target that keeps what came behind the last chunk."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.trailers = b""

    async def answer(self, _head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            if not size:
                break
            self.chunks.append((await reader.readexactly(size + 2))[:-2])
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            self.trailers += line
        writer.write(ANSWER)


@BOTH
@pytest.mark.parametrize("content", [b"content", b""])
async def test_trailers_of_a_request_go_on_behind_its_last_chunk(
    place: Place, gateway: Gateway, chunked: bool, content: bytes
) -> None:
    if chunked and not content:
        pytest.skip("without content nothing is chunked")
    recorder = Recorder()
    place.target.answer = recorder.answer
    trailers = (
        (b"x-sum", b"1"),
        (b"authorization", b"Basic x"),
        (b"content-length", b"3"),
        (b"host", b"x"),
        (b"x-sum", b"2"),
    )
    sent = Request(post(b"", token()).head, content, trailers)
    assert (await gateway.ask(sent, chunked=chunked)).content == b"answer"
    assert b"".join(recorder.chunks) == content
    assert recorder.trailers == b"x-sum: 1\r\nx-sum: 2\r\n"


@BOTH
async def test_trailers_of_an_answer_come_back_without_what_must_not_be_one(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    place.target.says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
        b"X-Sum: 1\r\nSet-Cookie: a=b\r\nDate: x\r\nServer-Timing: 2\r\n\r\n"
    )
    response = await gateway.ask(post(b"x", token()), chunked=chunked)
    assert response.content == b"ok"
    assert response.trailers == ((b"x-sum", b"1"), (b"server-timing", b"2"))


@BOTH
async def test_early_heads_come_before_the_answer_as_many_as_a_client_takes(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: y\r\n\r\n"
    place.target.says(b"HTTP/1.1 100 Continue\r\n\r\n" + hint * 20 + ANSWER)
    response = await gateway.ask(post(b"x", token()), chunked=chunked)
    assert response.content == b"answer"
    assert response.informational == (Informational(103, ((b"link", b"</a>"),)),) * bhttp.MAX_INFORMATIONAL


@BOTH
async def test_a_refusal_has_none_of_the_failed_answers_early_heads(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    place.target.says(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    )
    response = await gateway.ask(post(b"x", token()), chunked=chunked)
    assert response.head.status == 502
    assert response.informational == ()


@BOTH
async def test_trailers_with_a_length_are_dropped(place: Place, gateway: Gateway, chunked: bool) -> None:
    sent = Request(post(b"", token(), (b"content-length", b"1")).head, b"x", ((b"x-sum", b"1"),))
    assert (await gateway.ask(sent, chunked=chunked)).content == b"answer"
    assert place.target.bodies == [b"x"]
    assert "transfer-encoding" not in raw_http.fields(place.target.heads[-1])
