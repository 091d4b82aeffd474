"""What passes by on a TCP connection, recorded: a forwarder that keeps the sender's loopback address.

    async with tapped(old_port, new_port) as tap: ...

The server behind it sees every connection come from where it really came from, as if
nothing stood between.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Passage", "Tap", "tapped"]


@dataclass(slots=True)
class Passage:
    """One connection: where it came from, and the bytes in each direction."""

    peer: str
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)


class Tap:
    """All connections since the start, or since `mark`."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []

    @property
    def peers(self) -> set[str]:
        """The addresses that connections came from."""
        return {passage.peer for passage in self.passages}

    @property
    def sent(self) -> bytes:
        """All bytes towards the server, one connection after the other."""
        return b"\n".join(bytes(passage.sent) for passage in self.passages)

    @property
    def received(self) -> bytes:
        """All bytes from the server."""
        return b"\n".join(bytes(passage.received) for passage in self.passages)

    @property
    def everything(self) -> bytes:
        """The bytes of both directions."""
        return self.sent + b"\n" + self.received


@asynccontextmanager
async def tapped(port: int, behind: int) -> AsyncIterator[Tap]:
    """Listen on the loopback `port` and pass everything on to `behind`."""
    tap = Tap()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        peer = writer.get_extra_info("peername")[0]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", behind, local_addr=(peer, 0))
        except OSError:
            writer.close()
            return
        passage = Passage(peer)
        tap.passages.append(passage)
        try:
            with suppress(ConnectionError):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass_on(reader, back, passage.sent))
                    both.create_task(_pass_on(there, writer, passage.received))
        except* ConnectionError:
            pass
        finally:
            writer.close()
            back.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield tap
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
    while data := await reader.read(65_536):
        record += data
        writer.write(data)
        await writer.drain()
    # Neither side of these exchanges closes one direction alone: an end is the end of both.
    writer.close()
