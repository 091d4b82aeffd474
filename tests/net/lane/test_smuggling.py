"""Request smuggling: what another parser in front of us could read differently is refused, both ways in.

Each case runs on the lane and on the aiohttp path, through the port that the shell opens. `bait` is
what the attack tries to make a request of its own, or to keep from being one.
"""

import asyncio

import pytest
from support.lanes import WAYS, Echo, chunked, plain, port, post

from tacita.net.message import Request

HOST = "Host: a.example\r\n"
START = f"POST /echo HTTP/1.1\r\n{HOST}"
BAIT = post(b"bait", extra="Connection: close\r\n")

HEADS = {
    "CL and TE": f"{START}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": f"{START}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": f"{START}Content-Length: 0\r\nContent-Length: 5\r\n\r\nabcde",
    "the same length twice": f"{START}Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": f"{START}Content-Length: 5, 5\r\n\r\nabcde",
    "a signed length": f"{START}Content-Length: +5\r\n\r\nabcde",
    "a hexadecimal length": f"{START}Content-Length: 0x5\r\n\r\nabcde",
    "a length with a space": f"{START}Content-Length: 5 5\r\n\r\nabcde",
    "a length that overflows": f"{START}Content-Length: 18446744073709551617\r\n\r\na",
    "an unknown coding": f"{START}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding twice": f"{START}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding with a control byte": f"{START}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"{START}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a space before a name": f"{START} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": f"{START}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded line with a tab": f"{START}A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    "a bare CR": f"{START}A: b\rTransfer-Encoding: chunked\r\n\r\n",
    "a bare LF": f"{START}A: b\nTransfer-Encoding: chunked\r\n\r\n",
    "bare LFs only": "POST /echo HTTP/1.1\nHost: a.example\nContent-Length: 0\n\n",
    "NUL in a value": f"{START}A: b\x00\r\n\r\n",
    "NUL in a name": f"{START}A\x00: b\r\n\r\n",
    "a control byte in a value": f"{START}A: \x1b[m\r\n\r\n",
    "no Host": "POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two Hosts": f"{START}Host: b.example\r\nContent-Length: 0\r\n\r\n",
    "a Host that is a list": "POST /echo HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
    "a Host with a path": "POST /echo HTTP/1.1\r\nHost: a.example/x\r\n\r\n",
    "absolute-form": f"POST http://b.example/echo HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n",
    "two spaces": f"POST  /echo HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n",
    "another version": f"POST /echo HTTP/1.2\r\n{HOST}Content-Length: 0\r\n\r\n",
    "no version": f"POST /echo\r\n{HOST}Content-Length: 0\r\n\r\n",
}

SIZES = [
    b"0x4\r\nabcd\r\n",
    b"+4\r\nabcd\r\n",
    b"-4\r\nabcd\r\n",
    b" 4\r\nabcd\r\n",
    b"4 \r\nabcd\r\n",
    b"4\nabcd\r\n",
    b"g\r\nabcd\r\n",
    b"\r\nabcd\r\n",
    b"4\r\nabcd\n",
    b"4\r\nabcde\r\n",
    b"4;a\nb\r\nabcd\r\n",
    b"ffffffffffffffff4\r\nabcd\r\n",
]


def statuses(answers: bytes) -> list[int]:
    return [status for status, _ in plain(answers)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HEADS)
async def test_a_head_with_two_readings_is_refused_and_nothing_behind_it_is_looked_at(
    name: str, way: str
) -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}, way) as one:
        answers = await one.exchange(HEADS[name].encode("latin-1") + BAIT, BAIT)
        if way == "aiohttp" and name == "two spaces":
            # It takes them for one, as the request line's recipients may (RFC 9112, section 3).
            assert echo.seen[0] == b""
            return
        assert statuses(answers) == [400]
        assert not echo.seen
        assert not one.defects()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", SIZES)
async def test_a_chunk_with_two_readings_is_refused_and_nothing_behind_it_is_looked_at(
    wire: bytes, way: str
) -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}, way) as one:
        answers = await one.exchange(chunked(wire + b"0\r\n\r\n") + BAIT, BAIT)
        assert statuses(answers) == [400]
        assert not echo.seen
        assert not one.defects()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("together", [True, False])
async def test_what_follows_a_message_is_the_next_message_and_nothing_else(way: str, together: bool) -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}, way) as one:
        messages = (
            post(b"first" + BAIT),
            chunked(b"5\r\nother\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BAIT), BAIT)),
            post(b""),
            post(b"last", extra="Connection: close\r\n"),
            BAIT,
        )
        if way == "aiohttp" and together:
            # It refuses a whole segment, the good requests in it too, for what follows the last one.
            messages = messages[:-1]
        answers = await one.exchange(*([b"".join(messages)] if together else messages))
        assert statuses(answers) == [200] * 4
    assert echo.seen == [b"first" + BAIT, b"other" + BAIT, b"", b"last"]
    assert [content for _, content in plain(answers)] == echo.seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "data",
    [post(b"whole")[:-1], chunked(b"5\r\nwhole\r\n"), chunked(b"5\r\nwhol"), chunked(b"5\r\nwhole\r\n0\r\n")],
)
async def test_a_message_that_is_cut_is_never_taken_for_whole(data: bytes, way: str) -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}, way) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.number)
        writer.write(data)
        await asyncio.wait_for(echo.begun.wait(), 10)
        writer.write_eof()
        assert b" 200 " not in await reader.read()
        writer.close()
    assert not echo.seen


async def test_a_refused_length_before_its_content_leaves_the_content_unread() -> None:
    # The answer is complete before its request: whatever still comes of it must not become a request.
    echo = Echo()

    async def refuse(_request: Request) -> None:
        raise ValueError

    async with port({"/echo": echo.handle, "/refuse": refuse}) as one:
        head = b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
        answers = await one.exchange(head, BAIT, BAIT)
        assert statuses(answers) == [500]
        assert b"\r\nConnection: close\r\n" in answers
    assert not echo.seen
