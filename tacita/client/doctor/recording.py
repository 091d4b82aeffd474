"""The relay from its other side: a stand-in for the gateway that records what the relay sends.

It listens where a resource of the relay forwards to, for one exchange. The request carries what browsers
and proxies tell of a client; nothing of it may arrive. The answer carries what a gateway could mark a
client with; nothing of that may come back (RFC 9458, Sections 5 and 8.2).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.sealing import ONE_SHOT
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.net.message import Field
from tacita.ohttp import KeyConfig, keyconfig, media

__all__ = ["CHECKS"]

_CANARY = b"tacita-doctor-canary"

_OF_CLIENT: tuple[Field, ...] = (
    (b"user-agent", _CANARY),
    (b"cookie", b"a=" + _CANARY),
    (b"authorization", b"Bearer " + _CANARY),
    (b"proxy-authorization", b"Bearer " + _CANARY),
    (b"forwarded", b"for=192.0.2.77;by=" + _CANARY),
    (b"x-forwarded-for", b"192.0.2.77"),
    (b"x-real-ip", b"192.0.2.77"),
    (b"via", b"1.1 " + _CANARY),
    (b"accept-language", b"eo"),
    (b"referer", b"https://192.0.2.77/"),
    (b"x-request-id", _CANARY),
    (b"traceparent", b"00-" + b"7" * 32 + b"-" + b"7" * 16 + b"-01"),
    (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    (b"expect-ct", _CANARY),
)
"""What a client or somebody before it may have said. 192.0.2.77 is nobody's (RFC 5737)."""

_NEEDED = frozenset(
    {b"host", b"content-type", b"content-length", b"transfer-encoding", b"incremental", b"connection"}
)
"""What a relay has to say to a gateway, or may say of this one connection."""

_OWN = frozenset({b"user-agent", b"via", b"date"})
"""What a relay may say of itself, as long as it is not what the client said."""

_OF_GATEWAY = (
    b'Set-Cookie: a=%b\r\nServer: %b\r\nRetry-After: 7\r\nETag: "%b"\r\nX-Request-Id: %b\r\nVia: 1.1 %b\r\n'
    b"Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n" % ((_CANARY,) * 5)
)
_MARKING = (b"set-cookie", b"server", b"retry-after", b"etag", b"x-request-id", b"via", b"last-modified")

_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"
_TRIES = 10
_SECONDS_BETWEEN = 1.0
"""A relay may look only every few seconds for the keys of a gateway that has none yet."""

_LONGEST = 65_536
_SECONDS = 10.0


@dataclass(slots=True)
class _Exchange:
    """What was sent to the relay, what the relay made of it, and what it gave back."""

    sent: bytes = field(repr=False)
    answered: bytes = field(repr=False)
    fields: tuple[Field, ...] = field(default=(), repr=False)
    received: bytes = field(default=b"", repr=False)
    answer: Answer | None = None


async def _exchanged(case: Case) -> _Exchange:
    async def make() -> _Exchange:
        relay, place = case.subject.relay, case.subject.recording
        if relay is None or place is None:
            raise NotApplicable("There is no recording gateway.")
        exchange = _Exchange(secrets.token_bytes(256), secrets.token_bytes(256))
        async with _listening(*place, exchange):
            exchange.answer = await _forwarded(case, relay, exchange.sent)
        if not exchange.fields:
            raise Untried("The relay did not connect to the recording gateway; is it configured to?")
        return exchange

    return await case.once("recorded", make)


async def _forwarded(case: Case, relay: str, content: bytes) -> Answer:
    """Return the answer to a message, once the relay has seen by our keys that we are a gateway."""
    for _ in range(_TRIES - 1):
        try:
            return await case.visitor.ask("POST", relay, (*ONE_SHOT, *_OF_CLIENT), content)
        except Untried:
            await asyncio.sleep(_SECONDS_BETWEEN)
    return await case.visitor.ask("POST", relay, (*ONE_SHOT, *_OF_CLIENT), content)


@check("relay.sent-fields", "no field of the client's reaches the gateway", "RFC 9458, Section 8.2")
async def _fields(case: Case) -> str:
    exchange = await _exchanged(case)
    names = {name for name, _ in exchange.fields}
    passed = [name.decode() for name, _ in _OF_CLIENT if name in names - _OWN]
    if passed:
        raise Wrong(f"It sends {', '.join(passed)}.")
    if any(_CANARY in value or b"192.0.2.77" in value for _, value in exchange.fields):
        raise Wrong("It sends what a field of the client's said.")
    return f"{len(names)} fields were sent, {len(names - _NEEDED)} of them without need"


@check("relay.sent-address", "the client's address does not reach the gateway", "RFC 9458, Section 8.2")
async def _address(case: Case) -> None:
    exchange = await _exchanged(case)
    address = case.visitor.address.rpartition(":")[0].strip("[]").encode()
    if any(address in value for name, value in exchange.fields if name != b"host" and address):
        raise Wrong("It sends the client's address.")


@check("relay.sent-content", "content goes on as it came, both ways", "RFC 9458, Section 5")
async def _content(case: Case) -> None:
    exchange = await _exchanged(case)
    assert exchange.answer is not None
    if exchange.received != exchange.sent:
        raise Wrong("The gateway gets other content than the client sent.")
    if (exchange.answer.status, exchange.answer.body) != (200, exchange.answered):
        raise Wrong("The client gets another answer than the gateway gave.")


@check("relay.returned-fields", "no field that could mark a client comes back", "RFC 9458, Section 5.2")
async def _returned(case: Case) -> None:
    exchange = await _exchanged(case)
    assert exchange.answer is not None
    names = {name for name, _ in exchange.answer.fields}
    passed = [name.decode() for name in _MARKING if name in names]
    if passed:
        raise Wrong(f"It passes {', '.join(passed)} on.")
    if any(_CANARY in value for _, value in exchange.answer.fields):
        raise Wrong("It passes on what a field of the gateway's said under another name.")


@asynccontextmanager
async def _listening(host: str, port: int, exchange: _Exchange) -> AsyncIterator[None]:
    """Be the gateway at `host` and `port`. Raises `Untried` where that cannot be had."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await _serve(reader, writer, exchange)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, host, port, limit=_LONGEST)
    except OSError:
        raise Untried("The recording gateway cannot listen at its address.") from None
    try:
        yield
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: _Exchange) -> None:
    request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    pairs = [line.partition(b":") for line in lines]
    fields = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
    if not request_line.startswith(b"POST "):
        keys = _keys()
        writer.write(_ANSWER % (media.KEYS.encode(), len(keys), b"", keys))
        await writer.drain()
        return
    exchange.fields, exchange.received = fields, await _body(reader, dict(fields))
    writer.write(_ANSWER % (media.RESPONSE.encode(), len(exchange.answered), _OF_GATEWAY, exchange.answered))
    await writer.drain()


def _keys() -> bytes:
    """Return a list that shows that we want to be a gateway (RFC 9540, Section 5)."""
    key = PrivateKey.generate(Kem.X25519).public_key
    return keyconfig.encode_list([KeyConfig(1, Kem.X25519, key, ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),))])


async def _body(reader: asyncio.StreamReader, fields: dict[bytes, bytes]) -> bytes:
    if b"chunked" not in fields.get(b"transfer-encoding", b"").lower():
        return await reader.readexactly(min(_LONGEST, int(fields.get(b"content-length", b"0"))))
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(min(_LONGEST, size) + 2))[:-2]
        if len(body) > _LONGEST:
            break
    return body


CHECKS: tuple[Check, ...] = (_fields, _address, _content, _returned)
