"""`python -m loadtest.local.target --config FILE`: a model's place, taken by something whose delay is known.

It answers every POST after a fixed delay with a chat completion of 400 bytes, or with a stream of
events at fixed distances where the request wants one, and `GET /readyz` at once. `POST /delay`
with milliseconds in its body changes the delay. Cheap: 10 µs a request, so that what is measured
is what stands before it.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httptools
import uvloop

from tacita.service.config import Struct, load

__all__ = ["Answers", "Config", "serve"]

_COMPLETION = json.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 320}}]}
).encode()
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'


class Answers:
    """What is answered, and when: `delay` seconds, then `events` events `gap` seconds apart."""

    def __init__(self, delay: float, events: int, gap: float) -> None:
        self.delay = delay
        self.events = events
        self.gap = gap
        self.stalled_until = 0.0

    def wait(self, now: float) -> float:
        """Return for how long the next answer waits."""
        return self.delay + max(0.0, self.stalled_until - now)


class _Target(asyncio.Protocol):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._path = b""
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path, self._body = url, b""

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        answers = self._answers
        if self._path == b"/readyz":
            self._write(b"text/plain", b"ready\n")
        elif self._path == b"/delay":
            answers.delay = float(self._body) / 1e3
            self._write(b"text/plain", b"done\n")
        elif b'"stream":true' in self._body:
            self._after(answers.wait(self._loop.time()), self._begin_stream)
        else:
            self._after(
                answers.wait(self._loop.time()), lambda: self._write(b"application/json", _COMPLETION)
            )

    def _after(self, delay: float, then: Any) -> None:
        if delay > 0:
            self._timer = self._loop.call_later(delay, then)
        else:
            then()

    def _begin_stream(self) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        self._next_event(self._answers.events)

    def _next_event(self, left: int) -> None:
        if not left:
            self._transport.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            return
        self._transport.write(b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT))
        self._after(self._answers.gap, lambda: self._next_event(left - 1))

    def _write(self, kind: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        self._transport.write(head + body)


async def serve(answers: Answers, port: int) -> asyncio.Server:
    """Return the server, which listens on 127.0.0.1."""
    return await asyncio.get_running_loop().create_server(
        lambda: _Target(answers), "127.0.0.1", port, backlog=1024
    )


class Config(Struct, frozen=True):
    """The whole file, as a role has one: seconds before an answer, events of a stream, their distance."""

    port: int
    delay: float = 0.0
    events: int = 16
    gap: float = 0.005


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.local.target")
    parser.add_argument("--config", type=Path, required=True)
    config = load(parser.parse_args().config, Config)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with await serve(Answers(config.delay, config.events, config.gap), config.port):
            await stop.wait()
            os._exit(0)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
