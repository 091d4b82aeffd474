"""Sealed requests made in other processes, a batch at a time, for the gateway's soak.

A batch has requests that a token pays for, and requests for an open target, in the form of one message or
of chunks, for one key configuration.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from bench.gateway import PATH
from bench.load import http_request
from tacita.bhttp import Request, RequestHead, encode_request
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.ohttp import KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.privacypass import auth
from tacita.privacypass.types import blind_rsa

__all__ = ["Batch", "seal", "tokens"]

_FIELDS = ((b"accept", b"application/json"), (b"content-type", b"application/json"))
_CONTENT = b"q" * 400


@dataclass(frozen=True, slots=True)
class Batch:
    """What to make: `count` requests, `paid` of them with a token; plain values, which cross processes.

    `config` is the encoded key configuration, `open_to` the authority that costs no token, `paid_at` the
    one that does, `challenge` its challenge and `key` the issuer's private key (PEM).
    """

    config: bytes
    count: int
    paid: int
    chunked: bool
    open_to: bytes
    paid_at: bytes
    challenge: bytes
    key: bytes


def seal(batch: Batch) -> list[bytes]:
    """Return the requests of `batch`, shuffled, as they stand on the wire."""
    config = KeyConfig.decode(batch.config)
    plain = [_plain(batch.open_to)] * (batch.count - batch.paid)
    plain += [_plain(batch.paid_at, one) for one in tokens(batch)]
    random.shuffle(plain)
    return [_sealed(config, one, chunked=batch.chunked) for one in plain]


def tokens(batch: Batch) -> Iterable[bytes]:
    """Return the credentials of `batch.paid` new tokens."""
    key = RsaPrivateKey.from_pem(batch.key)
    made = [blind_rsa.request(batch.challenge, key.public_key) for _ in range(batch.paid)]
    issued = blind_rsa.issue([request for request, _ in made], best_signer(key)) if made else []
    return [
        auth.format_authorization(blind_rsa.finalize(pending, response))
        for (_, pending), response in zip(made, issued, strict=True)
    ]


def _plain(authority: bytes, credentials: bytes | None = None) -> bytes:
    fields = _FIELDS if credentials is None else (*_FIELDS, (b"authorization", credentials))
    return encode_request(Request(RequestHead(b"POST", b"http", authority, b"/v1/chat", fields), _CONTENT))


def _sealed(config: KeyConfig, plain: bytes, *, chunked: bool) -> bytes:
    if chunked:
        sealer = RequestSealer(config)
        message = sealer.header() + sealer.seal(plain) + sealer.finish()
        return http_request(PATH, message, ("Content-Type", media.CHUNKED_REQUEST))
    return http_request(PATH, oneshot.encapsulate_request(config, plain)[0], ("Content-Type", media.REQUEST))
