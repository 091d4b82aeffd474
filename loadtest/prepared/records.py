"""One prepared request: its bytes on the wire, and what opens its answer.

Records of one file have one length, so that a load process finds any of them at once.
"""

import os
import secrets
from dataclasses import dataclass, replace

from loadtest.prepared.content import Content
from loadtest.scenarios import Kind
from tacita.bhttp import Fields, Request, encode_request
from tacita.crypto.hpke import Aead, Kdf, Kem, Suite
from tacita.ohttp import KeyConfig, padding
from tacita.ohttp.exchange import CHUNKED, HEADER_SIZE, ONE_SHOT, ResponseSecret, start
from tacita.ohttp.framing import MAX_CHUNK, frame, frame_final
from tacita.privacypass import auth
from tacita.privacypass.batch import GenericBatchTokenRequest
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["Record", "batch", "pending_of", "response_secret", "sealed"]


@dataclass(frozen=True, slots=True)
class Record:
    """The body of a request, and `secret`: what its answer is opened or checked with."""

    secret: bytes
    body: bytes

    def encode(self) -> bytes:
        """Return both, the length of the secret first (two bytes)."""
        return len(self.secret).to_bytes(2, "big") + self.secret + self.body

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """Read what `encode` has written."""
        end = 2 + int.from_bytes(data[:2], "big")
        return cls(data[2:end], data[end:])


def sealed(
    config: KeyConfig, content: Content, kind: Kind, token: Token | None, *, extra: Fields = ()
) -> Record:
    """Return a request sealed to `config`, padded as our client pads, with `token` and `extra` fields."""
    chunked = kind == "chunked"
    head, body = content.head_and_body(streamed=chunked)
    if token is not None:
        extra = (*extra, (b"authorization", auth.format_authorization(token)))
    head = replace(head, fields=(*head.fields, *extra))
    message = padding.pad(encode_request(Request(head, body)))
    labels = CHUNKED if chunked else ONE_SHOT
    prefix, context, answer = start(config, labels, None, None)
    if not chunked:
        return Record(answer.exported, prefix + context.seal(b"", message))
    *chunks, last = [message[at : at + MAX_CHUNK] for at in range(0, len(message), MAX_CHUNK)]
    framed = [frame(context.seal(b"", chunk)) for chunk in chunks]
    return Record(answer.exported, b"".join([prefix, *framed, frame_final(context.seal(b"final", last))]))


def response_secret(record: Record) -> ResponseSecret:
    """Return what opens the answer to `record`."""
    kem, kdf, aead = (int.from_bytes(record.body[at : at + 2], "big") for at in (1, 3, 5))
    suite = Suite(Kem(kem), Kdf(kdf), Aead(aead))
    return ResponseSecret(suite, record.secret, record.body[HEADER_SIZE : HEADER_SIZE + suite.n_enc])


def batch(challenge: TokenChallenge, key: blind_rsa.PublicKey, count: int) -> Record:
    """Return a batch of `count` token requests, one of which, at a random place, can be finished.

    All others are random numbers, which is what an issuer sees of any; blinding each would cost as
    much as the issuer's signature.
    """
    place = secrets.randbelow(count)
    request, pending = blind_rsa.request(challenge.encode(), key)
    requests = [_filler(key) for _ in range(count)]
    requests[place] = request.encode()
    secret = (
        place.to_bytes(4, "big")
        + pending.nonce
        + pending.inverse.to_bytes(blind_rsa.AUTHENTICATOR_LENGTH, "big")
    )
    return Record(secret, GenericBatchTokenRequest(tuple(requests)).encode())


def pending_of(record: Record, key: blind_rsa.PublicKey, digest: bytes) -> tuple[int, blind_rsa.Pending]:
    """Return the place of the token in the batch that can be finished, and what finishes it."""
    secret = record.secret
    pending = blind_rsa.Pending(key, secret[4:36], digest, int.from_bytes(secret[36:], "big"))
    return int.from_bytes(secret[:4], "big"), pending


def _filler(key: blind_rsa.PublicKey) -> bytes:
    return blind_rsa.TokenRequest(key.key_id[-1], b"\0" + os.urandom(key.modulus_size - 1)).encode()
