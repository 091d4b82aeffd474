"""The gateway of `support.crooked`: opens messages with our library, and answers for target and tokens."""

import json
import time
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime

from aiohttp import web

from tacita.bhttp import (
    Event,
    Fields,
    InvalidMessage,
    RequestDecoder,
    RequestHead,
    Response,
    ResponseHead,
    decode_request,
    encode_response,
)
from tacita.client.doctor.inside import EXAMPLE
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.errors import TacitaError
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, RequestRefused, keyconfig, media, oneshot
from tacita.ohttp.chunked import RequestOpener
from tacita.ohttp.errors import (
    MalformedRequest,
    RequestTruncated,
    SuiteNotOffered,
    UndecryptableRequest,
    UnknownKey,
)
from tacita.privacypass import auth
from tacita.privacypass.auth import PrivateTokenChallenge
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.types import blind_rsa

__all__ = ["PROBLEM", "CrookedGateway", "problem"]

PROBLEM = "application/problem+json"
_TYPES = "https://iana.org/assignments/http-problem-types"
_ALGORITHMS = ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),)
_KINDS = {media.REQUEST, media.CHUNKED_REQUEST}
_SSE = b"text/event-stream"


def problem(status: int, fields: dict[str, str] | None = None, *, kind: str = "about:blank") -> web.Response:
    """Return a problem document."""
    body = json.dumps({"type": kind, "status": status}).encode()
    return web.Response(status=status, body=body, headers={**(fields or {}), "Content-Type": PROBLEM})


def _key(number: int) -> GatewayKey:
    private = PrivateKey.derive(Kem.X25519, bytes([number]) * 64)
    return GatewayKey(KeyConfig(number, Kem.X25519, private.public_key, _ALGORITHMS), private)


class CrookedGateway:
    """Takes tokens of the issuer `issuer_name` under `issuer_key`; `wrong` says what it does wrong."""

    def __init__(self, wrong: Callable[[str], bool], issuer_name: str, issuer_key: RsaPublicKey) -> None:
        self._wrong = wrong
        self._issuer_name = issuer_name
        self._issuer_key = issuer_key
        self._keys = [_key(1), _key(2)]
        self._spent: set[bytes] = set()
        self._seen: set[bytes] = set()

    def published(self) -> bytes:
        """Return the key list."""
        configs = [key.config for key in self._keys]
        if self._wrong("two keys of one id"):
            configs[1] = KeyConfig(1, Kem.X25519, configs[1].public_key, _ALGORITHMS)
        if self._wrong("a suite that nobody knows"):
            configs = [KeyConfig(one.key_id, one.kem, one.public_key, ((1, 0x7777),)) for one in configs]
        return keyconfig.encode_list(configs) + (b"\0" if self._wrong("a key list that goes on") else b"")

    @staticmethod
    def other_keys() -> bytes:
        """Return a list that was made for one victim."""
        return keyconfig.encode_list([_key(3).config])

    def challenge(self) -> TokenChallenge:
        """Return the published challenge."""
        context = b"\7" * 32 if self._wrong("a challenge with a context") else b""
        origins = ("targets.example",)
        if self._wrong("a challenge for two origins"):
            origins += ("other.example",)
        name = "other.example" if self._wrong("a challenge of another issuer") else self._issuer_name
        return TokenChallenge(blind_rsa.TOKEN_TYPE, name, context, origins)

    async def message(self, request: web.Request) -> web.Response:
        """Answer a message."""
        kind = request.headers.get("Content-Type", "") if self._wrong("no parameters taken") else ""
        if (kind or request.content_type) not in _KINDS:
            return problem(400 if self._wrong("400 for a media type") else 415)
        if request.content_type == media.CHUNKED_REQUEST and self._wrong("no chunked form"):
            return problem(415)
        if "Content-Encoding" in request.headers and not self._wrong("a gateway that ignores codings"):
            return problem(415)
        if (request.content_length or 0) > 1 << 20:
            if self._wrong("a gateway that reads before it refuses"):
                await request.read()
            return problem(413)
        try:
            if request.content_type == media.REQUEST:
                return await self._one_shot(request)
            return await self._chunked(request)
        except RequestRefused as error:
            return self._refused(error)

    def _refused(self, error: RequestRefused) -> web.Response:
        kind = f"{_TYPES}#ohttp-key"
        if isinstance(error, UnknownKey) and self._wrong("401 for an unknown key"):
            return problem(401)
        if isinstance(error, SuiteNotOffered) and self._wrong("another problem type for a suite"):
            return problem(422, kind=f"{_TYPES}#suite")
        if isinstance(error, UndecryptableRequest) and self._wrong("a word on what did not open"):
            return problem(422, {"X-Reason": "tag"}, kind=kind)
        if isinstance(error, UndecryptableRequest) and self._wrong("a page for what does not open"):
            return web.Response(text="sorry")
        if isinstance(error, MalformedRequest | RequestTruncated) and self._wrong("400 for what is cut"):
            return problem(400)
        return problem(422, kind=kind)

    async def _one_shot(self, request: web.Request) -> web.Response:
        body = await request.read()
        opened, context = oneshot.decapsulate_request(GatewayKeys(self._keys), body)
        try:
            head = decode_request(opened).head
        except InvalidMessage:
            head = None
        status, fields, content = self._judge(head, opened, body)
        if status == 403 and self._wrong("403 in the clear"):
            return problem(403)
        message = encode_response(Response(ResponseHead(status, fields), content))
        return web.Response(
            body=context.encapsulate_response(message), headers={"Content-Type": media.RESPONSE}
        )

    async def _chunked(self, request: web.Request) -> web.Response:
        """Answer as soon as the head of the request inside is there, whatever is still to come."""
        opener = RequestOpener(GatewayKeys(self._keys))
        decoder = RequestDecoder()
        plaintext = b""
        events: list[Event] = []
        data = await self._first(request)
        while True:
            pieces = opener.feed(data) if data else opener.finish()
            if any(len(piece) > 8_192 for piece in pieces) and self._wrong("no large chunks"):
                raise UndecryptableRequest
            plaintext += b"".join(pieces)
            events += [event for piece in pieces for event in decoder.feed(piece)]
            events += [] if data else decoder.finish()
            if events or not data:
                break
            data = await request.content.readany()
        head = next((one for one in events if isinstance(one, RequestHead)), None)
        return self._stream(opener, *self._judge(head, plaintext))

    async def _first(self, request: web.Request) -> bytes:
        if self._wrong("a gateway that waits for the whole request"):
            return await request.read()
        return await request.content.readany()

    def _stream(self, opener: RequestOpener, status: int, fields: Fields, content: bytes) -> web.Response:
        message = encode_response(Response(ResponseHead(status, fields), content))
        sealer = opener.response_sealer()
        sealed = sealer.header()
        if not (status == 200 and self._wrong("a stream in one piece")):
            sealed += sealer.seal(message[:20])
            message = message[20:]
        sealed += sealer.finish(message)
        headers = {"Content-Type": media.CHUNKED_RESPONSE}
        if not self._wrong("a stream without Incremental"):
            headers["Incremental"] = "?1"
        if self._wrong("a one-shot answer to a chunked request"):
            headers["Content-Type"] = media.RESPONSE
        return web.Response(body=sealed, headers=headers)

    def _judge(
        self, head: RequestHead | None, opened: bytes, message: bytes = b""
    ) -> tuple[int, Fields, bytes]:
        """Return what is said inside to the request `opened`, which came in the one-shot `message`."""
        if head is None:
            return self._says(500 if self._wrong("500 for a bad message") else 400)
        if opened == EXAMPLE and self._wrong("no truncated messages"):
            return self._says(400)
        if opened[:1] == b"\2" and self._wrong("no messages of indeterminate length"):
            return self._says(400)
        named = dict(head.fields)
        if head.method == b"CONNECT":
            return self._says(403 if self._wrong("403 for CONNECT") else 400)
        if b"expect" in named and not self._wrong("no eye for Expect"):
            return self._says(417)
        if b"date" in named and not self._wrong("no eye for the Date"):
            now = time.time()
            if abs(parsedate_to_datetime(named[b"date"].decode()).timestamp() - now) > 300:
                kind = "about:blank" if self._wrong("a Date refused without its type") else f"{_TYPES}#date"
                return self._says(400, (b"date", formatdate(now, usegmt=True).encode()), kind=kind)
        if head.authority != b"targets.example":
            return (200, (), b"ok") if self._wrong("any target") else self._says(403)
        return self._paid(named, message)

    def _paid(self, named: dict[bytes, bytes], message: bytes) -> tuple[int, Fields, bytes]:
        if message and message in self._seen and self._wrong("a message served again"):
            return 200, (), b"an answer"
        self._seen.add(message)
        challenge = self.challenge()
        shown = challenge
        if self._wrong("a challenge for one client"):
            shown = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"\1" * 32, ("targets.example",))
        wanted = (b"www-authenticate", auth.format_www_authenticate([PrivateTokenChallenge(shown)]))
        if self._wrong("401 without a challenge"):
            wanted = (b"x-nothing", b"1")
        if b"authorization" not in named:
            return self._says(401, wanted)
        token = auth.parse_authorization(named[b"authorization"])
        try:
            blind_rsa.verify(token, self._issuer_key, challenge.digest())
        except TacitaError:
            return (200, (), b"ok") if self._wrong("a forged token taken") else self._says(401, wanted)
        if self._wrong("good tokens refused"):
            return self._says(401, wanted)
        if token.nonce in self._spent and not self._wrong("a token taken twice"):
            return self._says(401, wanted)
        if token.nonce in self._spent and message:
            return self._says(401, wanted)
        self._spent.add(token.nonce)
        if self._wrong("a target that fails"):
            return self._says(502)
        kind = _SSE if b"accept" in named else b"application/json"
        return 200, ((b"content-type", kind),), b"data: [DONE]\n\n" * 4

    def _says(
        self, status: int, *fields: tuple[bytes, bytes], kind: str = "about:blank"
    ) -> tuple[int, Fields, bytes]:
        content = json.dumps({"type": kind, "status": status}).encode()
        return status, ((b"content-type", PROBLEM.encode()), *fields), content
