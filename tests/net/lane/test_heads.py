"""Which heads the lane serves, which it refuses, and which are somebody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.net.lane.heads import Heads, unfinished_is_hopeless
from tacita.net.lane.limits import Limits
from tacita.net.message import HeadMalformed, Request


async def handle(_request: Request) -> None:
    """Is never called."""


HEADS = Heads({"/message": handle}, Limits())
START = b"POST /message HTTP/1.1\r\n"
HOST = b"Host: a.example\r\n"


@pytest.mark.parametrize(
    ("fields", "length", "keep"),
    [
        (b"", 0, True),
        (b"Content-Length: 0\r\n", 0, True),
        (b"content-LENGTH:\t12 \t\r\n", 12, True),
        (b"Transfer-Encoding: chunked\r\n", None, True),
        (b"Transfer-Encoding: Chunked\r\n", None, True),
        (b"Connection: close\r\n", 0, False),
        (b"Connection: keep-alive , Close\r\n", 0, False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", 0, False),
        (b"Connection: closed\r\n", 0, True),
        (b"A:\r\nB: \xff\r\n", 0, True),
    ],
)
def test_a_plain_head_is_served(fields: bytes, length: int | None, keep: bool) -> None:
    told = HEADS.read(START + HOST + fields + b"\r\n")
    assert told is not None
    assert (told.handler, told.length, told.keep) == (handle, length, keep)
    assert told.fields[0] == (b"host", b"a.example")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /message HTTP/1.1\r\n" + HOST,
        b"PUT /message HTTP/1.1\r\n" + HOST,
        b"POST /other HTTP/1.1\r\n" + HOST,
        b"POST /message/ HTTP/1.1\r\n" + HOST,
        b"POST //message HTTP/1.1\r\n" + HOST,
        b"POST /%6dessage HTTP/1.1\r\n" + HOST,
        b"POST /message HTTP/1.0\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n" + HOST,
        START + HOST + b"Expect: 100-continue\r\n",
        START + HOST + b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        START + HOST + b"Upgrade: h2c\r\n",
    ],
)
def test_a_sound_head_that_is_not_for_the_lane_is_left_to_others(data: bytes) -> None:
    assert HEADS.read(data + b"\r\n") is None


@pytest.mark.parametrize(
    "data",
    [
        START,
        START + HOST + HOST,
        START + b"Host: \r\n",
        START + b"Host: a, b\r\n",
        START + b"Host: a b\r\n",
        START + b"Host: a/b\r\n",
        START + b"Host: me@a\r\n",
        START + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n",
        START + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n",
        START + HOST + b"Content-Length: 1, 1\r\n",
        START + HOST + b"Content-Length: +1\r\n",
        START + HOST + b"Content-Length: -1\r\n",
        START + HOST + b"Content-Length: 0x1\r\n",
        START + HOST + b"Content-Length: 1 1\r\n",
        START + HOST + b"Content-Length: \r\n",
        START + HOST + b"Content-Length: 99999999999999999999\r\n",
        START + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        START + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        START + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        START + HOST + b"Transfer-Encoding: chunked, chunked\r\n",
        START + HOST + b"Transfer-Encoding: xchunked\r\n",
        START + HOST + b"Transfer-Encoding: chunked;q=1\r\n",
        START + HOST + b"Transfer-Encoding: \x0bchunked\r\n",
        START + HOST + b"Transfer-Encoding : chunked\r\n",
        START + HOST + b" Transfer-Encoding: chunked\r\n",
        START + HOST + b"A: b\r\n folded\r\n",
        START + HOST + b"A: b\r\n\tfolded\r\n",
        START + b" " + HOST,
        START + HOST + b"A : b\r\n",
        START + HOST + b"A\r\n",
        START + HOST + b": b\r\n",
        START + HOST + b"A: b\rC: d\r\n",
        START + HOST + b"A: b\nC: d\r\n",
        START + HOST + b"A: \x00\r\n",
        START + HOST + b"A: \x01\r\n",
        START + HOST + b"A: \x7f\r\n",
        START + HOST + b"A\x00: b\r\n",
        START + HOST + b"A(: b\r\n",
        START + HOST + b"A: b\r\n" * 100,
        b"POST http://b.example/message HTTP/1.1\r\n" + HOST,
        b"POST * HTTP/1.1\r\n" + HOST,
        b"POST message HTTP/1.1\r\n" + HOST,
        b"POST /message  HTTP/1.1\r\n" + HOST,
        b"POST\t/message HTTP/1.1\r\n" + HOST,
        b"POST /mess age HTTP/1.1\r\n" + HOST,
        b"POST /message HTTP/1.2\r\n" + HOST,
        b"POST /message HTTP/2.0\r\n" + HOST,
        b"POST /message http/1.1\r\n" + HOST,
        b"POST /message\r\n" + HOST,
        b"POST /message\x00 HTTP/1.1\r\n" + HOST,
        b"post /message HTTP/1.1\r\n" + HOST,
        b"POST /message HTTP/1.1\n" + HOST,
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(HeadMalformed) as caught:
        HEADS.read(data + b"\r\n")
    assert caught.value.status == 400


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_left_to_others(data: bytes) -> None:
    for begin in (b"", START, START + HOST):
        try:
            HEADS.read(begin + data + b"\r\n\r\n")
        except HeadMalformed:
            continue


@pytest.mark.parametrize(
    ("data", "hopeless"),
    [
        (START, False),
        (START + b"A: b\r", False),
        (START + b"A: b\n", True),
        (b"POST\n", True),
        (START + b"A: \rb", True),
        (START + b"\r\r", True),
        (b"A" * 16_384, False),
        (b"A" * 16_385, True),
    ],
)
def test_an_unfinished_head_is_given_up_when_it_can_become_none(data: bytes, hopeless: bool) -> None:
    assert unfinished_is_hopeless(data, Limits()) is hopeless
