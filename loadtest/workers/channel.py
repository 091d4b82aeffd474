"""Frames over pipes: four bytes of length, then msgpack. Both ends of every process of the harness."""

import asyncio
import os
import sys
from typing import Any, TypeVar

import msgspec

from loadtest.errors import WorkerDied

__all__ = ["Channel", "child_channel"]

_LONGEST = 1 << 30

T = TypeVar("T")


class Channel:
    """Messages in both directions over a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, write: Any) -> None:
        """`write` takes bytes: a pipe's transport or a StreamWriter."""
        self._reader = reader
        self._write = write

    def send(self, message: msgspec.Struct) -> None:
        """Send `message`; it is on its way when this returns."""
        encoded = msgspec.msgpack.encode(message)
        self._write.write(len(encoded).to_bytes(4, "big") + encoded)

    async def receive(self, kind: type[T]) -> T:
        """Return the next message, which is a `kind` (a union, if several may come).

        Raises:
            WorkerDied: the other end is gone, or says something else.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > _LONGEST:
                raise WorkerDied("A process of the harness says something that is no message.")
            return msgspec.msgpack.decode(await self._reader.readexactly(length), type=kind)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise WorkerDied("A process of the harness ended by itself.") from None
        except msgspec.DecodeError:
            raise WorkerDied("A process of the harness says something that is no message.") from None


class _Output:
    """Standard output as a sink that blocks: a frame is short, and its reader is our parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


async def child_channel() -> Channel:
    """Return the channel of this process, which the harness started, over standard input and output."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return Channel(reader, _Output(sys.stdout.fileno()))
