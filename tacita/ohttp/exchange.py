"""What the one-shot and the chunked form share: header, labels, response secret.

The two forms differ in their labels only, which keeps their keys apart (RFC 9458,
Sections 4.3, 4.4 and 4.6; chunked draft -08, Sections 6.1, 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from tacita.crypto.hpke import RecipientContext, SenderContext, Suite, kdf, setup_sender
from tacita.crypto.hpke.aead import Cipher, cipher
from tacita.ohttp.errors import NoUsableKey
from tacita.ohttp.keyconfig import KeyConfig

__all__ = [
    "CHUNKED",
    "HEADER_SIZE",
    "ONE_SHOT",
    "Labels",
    "ResponseKeys",
    "ResponseSecret",
    "Start",
    "header",
    "start",
]

HEADER_SIZE = 7
"""Bytes of key id, KEM id, KDF id and AEAD id."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: there are two
class Labels:
    """The two strings that bind keys to a message format (RFC 9458, Section 4.6)."""

    request: bytes
    response: bytes

    def info(self, header: bytes) -> bytes:
        """Return the HPKE `info` of a request with this header."""
        return self.request + b"\0" + header


ONE_SHOT = Labels(b"message/bhttp request", b"message/bhttp response")
CHUNKED = Labels(b"message/bhttp chunked request", b"message/bhttp chunked response")


def header(key_id: int, suite: Suite) -> bytes:
    """Return the 7 bytes that an encapsulated request begins with."""
    return key_id.to_bytes(1, "big") + suite.to_bytes()


_RESPONSE_INFOS = (b"key\x01", b"nonce\x01")
"""RFC 9458, Section 4.4, with the counter of HKDF-Expand's first block: no key or nonce takes a second."""


class ResponseKeys(NamedTuple):
    """What a response is sealed with."""

    cipher: Cipher
    nonce: bytes


class ResponseSecret:
    """The exported secret of one request, out of which a response's keys are derived.

    Besides the request itself it is all that opens the answer: whoever keeps `exported` (of `nonce_size`
    bytes) and `enc` can make it again.
    """

    __slots__ = ("_hkdf", "_suite", "enc", "exported", "nonce_size")

    def __init__(self, suite: Suite, exported: bytes, enc: bytes) -> None:
        self._suite = suite
        self._hkdf = kdf.of(suite.kdf)
        self.enc = enc
        self.exported = exported
        self.nonce_size = max(suite.n_n, suite.n_k)

    @classmethod
    def of(cls, context: SenderContext | RecipientContext, enc: bytes, labels: Labels) -> Self:
        """Export the secret of `context`, whose encapsulated key is `enc`."""
        suite = context.suite
        return cls(suite, context.export(labels.response, max(suite.n_n, suite.n_k)), enc)

    def derive(self, response_nonce: bytes) -> ResponseKeys:
        """Return the keys under `response_nonce`.

        Raises:
            ValueError: the nonce does not have `nonce_size` bytes.
        """
        if len(response_nonce) != self.nonce_size:
            raise ValueError("the response nonce has another length than max(Nn, Nk)")
        prk = self._hkdf.extract(self.enc + response_nonce, self.exported)
        key, nonce = self._hkdf.first_blocks(prk, _RESPONSE_INFOS)
        suite = self._suite
        return ResponseKeys(cipher(suite.aead, key[: suite.n_k]), nonce[: suite.n_n])


class Start(NamedTuple):
    """The client's side of a request before its content."""

    prefix: bytes
    """Header and encapsulated key, as they stand at the front of the message."""
    context: SenderContext
    secret: ResponseSecret


def start(config: KeyConfig, labels: Labels, suite: Suite | None, ephemeral: bytes | None) -> Start:
    """Set up a fresh HPKE context to the key of `config`.

    Raises:
        NoUsableKey: `suite` is not offered by `config`, or is None and none is usable.
        InvalidKey: the configuration's key has no secret exchange with anyone.
    """
    if suite is None and config.suites:
        suite = config.suites[0]
    if suite is None or suite not in config.suites:
        raise NoUsableKey("The key configuration does not offer the algorithms; choose another one.")
    head = header(config.key_id, suite)
    enc, context = setup_sender(suite, config.public_key, labels.info(head), ephemeral=ephemeral)
    return Start(head + enc, context, ResponseSecret.of(context, enc, labels))
