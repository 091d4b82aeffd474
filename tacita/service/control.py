"""The line between a supervisor and one of its workers: the supervisor asks how it is, the worker tells.

Each question is a byte, each answer a length (4 bytes) and that much JSON. The line is a pair of sockets that
nobody else can reach; one side sees by its end that the other is gone.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from tacita.errors import TacitaError
from tacita.service.families import Family

__all__ = ["Line", "Silent", "State", "tell", "telling"]

_ASK = b"?"
_LENGTH = struct.Struct(">I")


class Silent(TacitaError):
    """The worker is gone, or does not answer in time."""

    status = 503


class State(msgspec.Struct, frozen=True):
    """How a worker is: what its readiness waits for, how often it has reloaded, what it has counted.

    `stop_seconds` is the longest that it takes to end when it is told to.
    """

    missing: list[str]
    reloads: int
    stop_seconds: float
    families: list[Family]


@asynccontextmanager
async def telling(
    descriptor: int, state: Callable[[], State], gone: Callable[[], object]
) -> AsyncIterator[None]:
    """Answer the supervisor at the other end of `descriptor`; call `gone` when it is not there any more."""
    task = asyncio.create_task(tell(socket.socket(fileno=descriptor), state))
    task.add_done_callback(lambda _: gone())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def tell(line: socket.socket, state: Callable[[], State]) -> None:
    """Answer the supervisor's questions on `line` until it is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=line)
    try:
        while await reader.read(1):
            answer = msgspec.json.encode(state())
            writer.write(_LENGTH.pack(len(answer)) + answer)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Line:
    """The supervisor's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asking: asyncio.Task[State] | None = None

    @classmethod
    async def on(cls, line: socket.socket) -> "Line":
        """Return the line over the socket `line`, which is closed with it."""
        return cls(*await asyncio.open_unix_connection(sock=line))

    async def ask(self, seconds: float) -> State:
        """Return how the worker is. Who asks while a question is open gets the answer to that.

        Raises:
            Silent: there is none within `seconds`.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # An answer that comes late is not mistaken for that to the next question.
        asking = asyncio.shield(self._asking)
        try:
            async with asyncio.timeout(seconds):
                return await asking
        except (TimeoutError, OSError, EOFError, msgspec.DecodeError):
            raise Silent("A worker does not answer.") from None

    async def _ask(self) -> State:
        self._writer.write(_ASK)
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        return msgspec.json.decode(await self._reader.readexactly(length), type=State)

    async def close(self) -> None:
        """Let go of the worker."""
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait({self._asking})
        self._writer.close()
