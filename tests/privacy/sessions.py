"""People who ask at random moments through a real relay, and what passes on its two sides.

Messages are sealed as clients seal them, with the padding that clients use; the gateway at the other end
opens them, takes its time, and notes when what passed.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from privacy.observer import Policy, Seen
from support import raw_http
from support.relays import Gateway, gateway_running

from bench.server import role
from tacita.bhttp import (
    Request,
    RequestHead,
    Response,
    ResponseHead,
    decode_request,
    encode_request,
    encode_response,
)
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestOpener, RequestSealer
from tacita.ohttp.padding import pad, padded_length

__all__ = ["Load", "Pairs", "Relay", "relay"]

Pairs = list[tuple[Seen, Seen]]
"""The two sides of each exchange, in the order in which they were asked."""

_TOKEN = (b"authorization", b'PrivateToken token="%b"' % (b"A" * 472))
"""As long as a token of type 0x0002."""


@dataclass(frozen=True)
class Load:
    """How people ask: `count` requests at `per_second` on average, answered whole or in pieces."""

    per_second: float
    count: int
    streamed: bool = False


@dataclass(frozen=True)
class _Question:
    """One request and what will become of it."""

    number: int
    pause: float
    length: int
    answer_length: int
    thinking: float

    @classmethod
    def draw(cls, number: int, per_second: float, random: Random) -> "_Question":
        """Draw one. Lengths in bytes are those of prompts and answers in chats: many short, few long."""
        return cls(
            number,
            random.expovariate(per_second),
            min(30_000, 20 + int(random.lognormvariate(5.5, 1.2))),
            min(30_000, 50 + int(random.lognormvariate(7.0, 0.9))),
            random.lognormvariate(-1.0, 0.5),
        )


class _Recording:
    """A gateway that notes what passes, by the number inside of each request."""

    def __init__(self, gateway: Gateway) -> None:
        private = PrivateKey.generate(Kem.X25519)
        self.config = KeyConfig(1, Kem.X25519, private.public_key, ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),))
        self._keys = GatewayKeys([GatewayKey(self.config, private)])
        self.port = gateway.port
        self.seen: dict[int, Seen] = {}
        self.questions: Sequence[_Question] = ()
        gateway.answer = self._answer

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        body = await raw_http.read_body(reader, head)
        begun = clock()
        if media.CHUNKED_REQUEST.encode() in head:
            size, number = await self._stream(body, writer)
        else:
            plain, context = oneshot.decapsulate_request(self._keys, body)
            number = _number(plain)
            question = self.questions[number]
            await asyncio.sleep(question.thinking)
            response = Response(ResponseHead(200, ()), b"a" * question.answer_length)
            sealed = context.encapsulate_response(pad(encode_response(response)))
            size = len(sealed)
            writer.write(_head(media.RESPONSE, f"Content-Length: {size}") + sealed)
        self.seen[number] = Seen(begun, len(body), clock(), size)

    async def _stream(self, body: bytes, writer: asyncio.StreamWriter) -> tuple[int, int]:
        """Answer in pieces, ten a second; return how many bytes that was, and to which question."""
        opener = RequestOpener(self._keys)
        number = _number(b"".join(opener.feed(body) + opener.finish()))
        question = self.questions[number]
        await asyncio.sleep(question.thinking)
        sealer = opener.response_sealer()
        writer.write(_head(media.CHUNKED_RESPONSE, "Transfer-Encoding: chunked"))
        pieces = [sealer.header()]
        words = [b"a" * (40 + number % 7)] * (3 + question.answer_length // 200)
        length = sum(map(len, words))
        pieces += map(sealer.seal, words)
        pieces.append(sealer.finish(bytes(padded_length(length) - length)))
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            if piece is not pieces[-1]:
                await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")
        return sum(map(len, pieces)), number


@dataclass(frozen=True)
class Relay:
    """A running relay with one gateway for each policy."""

    port: int
    gateways: dict[str, _Recording]

    async def session(self, policy: Policy, load: Load, seed: int) -> Pairs:
        """Have people ask; return what passed on both sides, when all is answered."""
        recording = self.gateways[policy.name]
        random = Random(seed)
        recording.questions = [_Question.draw(one, load.per_second, random) for one in range(load.count)]
        recording.seen = {}
        messages = [_sealed(recording.config, one, streamed=load.streamed) for one in recording.questions]
        tasks = []
        loop = asyncio.get_running_loop()
        when = loop.time()
        for question, message in zip(recording.questions, messages, strict=True):
            when += question.pause
            await asyncio.sleep(when - loop.time())
            tasks.append(asyncio.create_task(self._ask(f"/{policy.name}", message, streamed=load.streamed)))
        clients = await asyncio.gather(*tasks)
        return [(client, recording.seen[number]) for number, client in enumerate(clients)]

    async def _ask(self, path: str, message: bytes, *, streamed: bool) -> Seen:
        clock = asyncio.get_running_loop().time
        kind = media.CHUNKED_REQUEST if streamed else media.REQUEST
        head = f"POST {path} HTTP/1.1\r\nHost: relay.example\r\nContent-Type: {kind}\r\n"
        async with raw_http.connection(self.port) as (reader, writer):
            begun = clock()
            writer.write(f"{head}Content-Length: {len(message)}\r\n\r\n".encode() + message)
            answer = await raw_http.read_head(reader)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError("the relay refused a message of the measurement")
            body = await raw_http.read_body(reader, answer)
            return Seen(begun, len(message), clock(), len(body))


@asynccontextmanager
async def relay(policies: Sequence[Policy], folder: Path) -> AsyncIterator[Relay]:
    """Run a relay as a process, with a recording gateway for each of `policies`."""
    async with AsyncExitStack() as stack:
        gateways = {}
        tables = []
        for policy in policies:
            gateway = await stack.enter_async_context(gateway_running())
            gateways[policy.name] = _Recording(gateway)
            origin = f"http://127.0.0.1:{gateway.port}"
            table = {
                "name": policy.name,
                "url": f"{origin}/message",
                "challenge_url": f"{origin}/challenge",
                "issuer_directory_url": f"{origin}/directory",
            }
            cover = {"policy": policy.kind, "seconds": policy.seconds, "group": policy.group}
            tables.append({**table, "cover": cover})
        _, port = await stack.enter_async_context(role("relay", folder, {"gateways": tables}))
        yield Relay(port, gateways)


def _sealed(config: KeyConfig, question: _Question, *, streamed: bool) -> bytes:
    head = RequestHead(b"POST", b"https", b"node.example", b"/%d" % question.number, (_TOKEN,))
    message = pad(encode_request(Request(head, b"q" * question.length)))
    if not streamed:
        return oneshot.encapsulate_request(config, message)[0]
    sealer = RequestSealer(config)
    chunks = [message[start : start + 16_384] for start in range(0, len(message), 16_384)]
    return b"".join([sealer.header(), *map(sealer.seal, chunks), sealer.finish()])


def _number(plain: bytes) -> int:
    return int(decode_request(plain).head.path[1:])


def _head(kind: str, framing: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()
