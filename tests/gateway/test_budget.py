"""What one token buys, counted on the wire: bytes in and bytes out of the chunked form, to the last one.

The one-shot form's bytes are in test_messages.py and test_exchange.py, and the seconds of both.
"""

import asyncio

import pytest
from support.gateways import BEGUN, Place, Stream, gateway_running, get, post, token
from support.raw_http import read_chunk, read_head

from tacita import bhttp
from tacita.bhttp import Content, ResponseHead

LIMIT = 5000


async def received(stream: Stream) -> tuple[int, bool]:
    """Return how many bytes of ciphertext come back, and whether the answer is whole."""
    head = await read_head(stream.reader)
    assert head.startswith(b"HTTP/1.1 200 "), head
    total = 0
    while True:
        try:
            chunk = await read_chunk(stream.reader)
        except asyncio.IncompleteReadError:
            return total, False
        if not chunk:
            return total, True
        total += len(chunk)


async def test_bytes_in_are_those_of_the_ciphertext(place: Place) -> None:
    async with gateway_running(place, token=f"request_bytes = {LIMIT}") as gateway:
        plain = bhttp.encode_request(post(b"x" * 4000, token()))
        # Header and key: 7 and 32 bytes. A chunk: its length in 2 bytes and its tag of 16; the last one: 17.
        overhead = 7 + 32 + 18 + 17
        for size, status in ((LIMIT - overhead, b"200"), (LIMIT - overhead + 1, b"413")):
            async with gateway.stream() as stream:
                stream.send(plain + bytes(size - len(plain)), last=True)
                assert (await read_head(stream.reader)).split(b" ")[1] == status
            plain = bhttp.encode_request(post(b"x" * 4000, token()))


async def test_bytes_in_are_counted_after_the_answer_has_begun(place: Place) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN + b"5\r\nfirst\r\n")
        while await read_chunk(reader):
            pass

    place.target.answer = answer
    async with gateway_running(place, token=f"request_bytes = {LIMIT}") as gateway:
        async with gateway.stream() as stream:
            encoder = bhttp.RequestEncoder()
            stream.send(encoder.head(post(b"", token()).head) + encoder.content(b"x"))
            assert isinstance(await stream.next(), ResponseHead)
            assert await stream.next() == Content(b"first")
            stream.send(encoder.content(bytes(LIMIT)))
            with pytest.raises(asyncio.IncompleteReadError):
                await stream.next()
        await gateway.until("truncated_total")


async def test_bytes_out_are_those_of_the_ciphertext_without_padding(place: Place) -> None:
    async with gateway_running(place, token=f"response_bytes = {LIMIT}") as gateway:

        async def ask(size: int) -> tuple[int, bool]:
            place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            async with gateway.stream() as stream:
                stream.send(bhttp.encode_request(get(token())), last=True)
                return await received(stream)

        whole = {size: await ask(size) for size in range(4800, LIMIT, 10)}
        fitting = [size for size, (_, ended) in whole.items() if ended]
        assert fitting == list(range(4800, max(fitting) + 1, 10)), "all up to one size"
        # Nonce, chunks and their tags, and what Binary HTTP puts around head and content.
        assert LIMIT - 180 <= max(fitting) <= LIMIT - 60
        for total, ended in whole.values():
            assert total <= (LIMIT * 1.12 if ended else LIMIT), "padding adds 12 percent at most"
