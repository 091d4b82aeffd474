"""What another server answers on a connection of ours: heads, framing, trailers, however it is cut."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from support.fuzzing import cut, total
from support.transports import FakeTransport

from relay.headers import CHUNKED, ONE_SHOT, to_client
from tacita.errors import TacitaError
from tacita.net.connection import Connection
from tacita.net.documents import lifetime

_BUFFER = bytearray(8192)


class _Wire(FakeTransport):
    """Reads into the connection's buffer, as its transports do, and has a descriptor to be polled."""

    def __init__(self, connection: Connection, end: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._end = end
        connection.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._end if name == "socket" else default

    def receive(self, data: bytes) -> None:
        if data and not self.is_closing():
            self._connection.get_buffer(-1)[: len(data)] = data
            self._connection.buffer_updated(len(data))

    def abort(self) -> None:
        if not self.is_closing():
            self._closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


async def _ask(parts: list[bytes], mode: int) -> tuple[object, ...]:
    """Return all that whoever asks gets to know when the server says `parts`, and perhaps goes away."""
    near, far = socket.socketpair()
    with near, far:
        connection = Connection(_BUFFER, 10.0, lambda _: None)
        wire = _Wire(connection, near)
        answer = connection.begin(b"GET / HTTP/1.1\r\n\r\n", whole=True, for_head=bool(mode & 2))
        for part in parts:
            wire.receive(part)
        if mode & 1 and not wire.is_closing():
            connection.eof_received()
        wire.close()
        await asyncio.sleep(0)
        body, failure = b"", None
        try:
            await answer.headed()
            while piece := await answer.read():
                body += piece
        except TacitaError as error:
            failure = type(error)
        total(lambda _: to_client(answer, CHUNKED if mode & 4 else ONE_SHOT), b"")
        assert 0 <= lifetime(answer.value("Cache-Control"), answer.value("Age")) < 10**9
        return answer.status, answer.fields, answer.informational, body, answer.trailers, failure


def one(data: bytes) -> None:
    """An answer has one outcome however it is cut: a whole answer, or an error of the tree."""
    if not data:
        return
    pieces, whole = cut(data[1:])
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        outcomes = [loop.run_until_complete(_ask(parts, data[0])) for parts in (pieces, [whole])]
    assert outcomes[0] == outcomes[1]


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\n"
    chunks = b"1\r\no\r\n1;a=b\r\nk\r\n0\r\nA: b\r\n\r\n"
    for mode in (b"\0", b"\1", b"\2"):
        for cuts in (b"\0\0\0\0\0", b"\7\1\20\2\60"):
            yield mode + cuts + ok + b"Content-Length: 2\r\nCache-Control: max-age=9\r\nAge: 1\r\n\r\nok"
            yield (mode + cuts + ok + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            yield mode + cuts + ok + b"Connection: close\r\n\r\nok"
            yield mode + cuts + b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n"
            yield mode + cuts + b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n"
