"""Messages under a known key id that do not open, at a real gateway: bytes and times of the answer.

Key ids are public, so nothing is hidden about those that are unknown. Of a message under a known one, nobody
is to learn from the answer, or from when it comes, how far the gateway got with it.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from privacy.intervals import Difference, compare, holm
from support import raw_http

from bench.gateway import Gateway, gateway
from tacita.bhttp import Request, RequestHead, encode_request
from tacita.crypto.hpke import Kem
from tacita.ohttp import media, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.ohttp.padding import pad

__all__ = ["REFERENCE", "Refusal", "Refusals", "measure"]

REFERENCE = "authentication tag wrong"
"""What the others are compared with: everything was computed, and then it did not open."""

_ALTERED = "encapsulated key altered"
_RANDOM = "all random behind the header"
_BY_KEY = frozenset({_ALTERED, _RANDOM})

_PATH = "/.well-known/ohttp-gateway"
_HEADER = 7
_LOW_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
"""A point of small order on Curve25519 (RFC 7748, Section 6.1: the exchange with it is all zero)."""


@dataclass(frozen=True)
class Refusal:
    """One way not to open, beside the reference of its form: how its times differ."""

    form: str
    way: str
    count: int
    difference: Difference
    p: float
    """The smaller p-value of the two tests, corrected for all tests that were made."""
    apart: bool
    """Whether the difference is beyond doubt and large enough to be used."""

    @property
    def by_key(self) -> bool:
        """Whether it takes the private key to say that the message does not open."""
        return self.way in _BY_KEY


@dataclass(frozen=True)
class Refusals:
    """All comparisons, the number of messages, and how many different answers there were to them."""

    compared: list[Refusal]
    count: int
    answers: int


async def measure(folder: Path, count: int) -> Refusals:
    """Send `count` messages, and compare the answers."""
    async with gateway(folder, {"sqlite": "spent.sqlite"}, token=False) as running:
        ways = _ways(running)
        answers: set[bytes] = set()
        times: dict[tuple[str, str], list[float]] = defaultdict(list)
        random = Random(1)
        async with raw_http.connection(running.port) as (reader, writer):
            for number in range(-200, count):
                # Drawn anew for each, so that whatever drifts drifts for all ways alike.
                form, way = random.choice(list(ways))
                message = _posted(form, ways[form, way]())
                begun = time.perf_counter()
                writer.write(message)
                head = await raw_http.read_head(reader)
                body = await raw_http.read_body(reader, head)
                ended = time.perf_counter()
                answers.add(_without_date(head) + body)
                if number >= 0:
                    times[form, way].append((ended - begun) * 1e6)
    return Refusals(_compared(times), count, len(answers))


def _compared(times: Mapping[tuple[str, str], list[float]]) -> list[Refusal]:
    found = []
    for (form, way), sample in sorted(times.items()):
        if way != REFERENCE:
            found.append((form, way, len(sample), compare(sample, times[form, REFERENCE])))
    corrected = holm([p for _, _, _, one in found for p in (one.rank_p, one.shape_p)])
    refusals = []
    for place, (form, way, count, difference) in enumerate(found):
        p = min(corrected[2 * place : 2 * place + 2])
        # One of two guesses right in 55 of 100 cases takes hundreds of messages to know one thing.
        apart = p < 0.01 and abs(difference.larger.value - 0.5) > 0.05
        refusals.append(Refusal(form, way, count, difference, p, apart))
    return refusals


def _posted(form: str, body: bytes) -> bytes:
    kind = media.REQUEST if form == "one-shot" else media.CHUNKED_REQUEST
    head = f"POST {_PATH} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _without_date(head: bytes) -> bytes:
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"date:"))


def _ways(running: Gateway) -> dict[tuple[str, str], Callable[[], bytes]]:
    """Return what makes a message that does not open, by form and way. All have about the same length."""
    config = running.config
    size = config.kem.n_enc
    inner = pad(
        encode_request(Request(RequestHead(b"POST", b"http", running.authority, b"/v1/chat", ()), b"q" * 400))
    )

    def one_shot() -> bytearray:
        return bytearray(oneshot.encapsulate_request(config, inner)[0])

    def chunked() -> bytearray:
        sealer = RequestSealer(config)
        return bytearray(sealer.header() + sealer.seal(inner) + sealer.finish())

    return {
        (form, way): _way(seal, change)
        for form, seal, ways in (
            ("one-shot", one_shot, _changes(size, config.kem)),
            ("chunked", chunked, _changes(size, config.kem) | _changes_of_chunks(size)),
        )
        for way, change in ways.items()
    }


def _way(seal: Callable[[], bytearray], change: Callable[[bytearray], bytes]) -> Callable[[], bytes]:
    return lambda: change(seal())


_Changes = dict[str, Callable[[bytearray], bytes]]


def _changes(size: int, kem: Kem) -> _Changes:
    content = _HEADER + size

    def flipped(message: bytearray, low: int, high: int) -> bytes:
        message[low + int.from_bytes(os.urandom(4)) % (high - low)] ^= 1 + os.urandom(1)[0] % 255
        return bytes(message)

    def other_suite(message: bytearray) -> bytes:
        # The key id is known; the AEAD is none that a configuration can offer.
        message[5:7] = (0x7FFF).to_bytes(2)
        return bytes(message)

    def other_kem(message: bytearray) -> bytes:
        message[1:3] = (Kem.P256 if kem is not Kem.P256 else Kem.X25519).to_bytes(2)
        return bytes(message)

    changes: _Changes = {
        # The first bytes of the content hold a chunk's length: behind them.
        REFERENCE: lambda message: flipped(message, content + 8, len(message)),
        _ALTERED: lambda message: flipped(message, _HEADER, content),
        _RANDOM: lambda message: (
            bytes(message[:_HEADER])
            + os.urandom(size)
            + bytes(message[content : content + 4])
            + os.urandom(len(message) - content - 4)
        ),
        "suite not offered": other_suite,
        "another KEM": other_kem,
        "cut inside of the encapsulated key": lambda message: bytes(message[: _HEADER + size // 2]),
        "cut behind the encapsulated key": lambda message: bytes(message[:content]),
    }
    if kem in (Kem.X25519, Kem.XWING):
        changes["point of small order"] = lambda message: (
            bytes(message[: content - 32]) + _LOW_ORDER + bytes(message[content:])
        )
    return changes


def _changes_of_chunks(size: int) -> _Changes:
    content = _HEADER + size
    return {
        "chunk longer than allowed": lambda message: (
            bytes(message[:content]) + b"\x9f\xff\xff\xff" + bytes(message[content + 4 :])
        ),
        "chunk shorter than its tag": lambda message: (
            bytes(message[:content]) + b"\x05" + bytes(message[content + 1 :])
        ),
        "ended without a final chunk": lambda message: bytes(
            message[: content + 2 + (len(message) - content) // 2]
        ),
    }
