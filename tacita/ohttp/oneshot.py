"""The one-shot form: message/ohttp-req and message/ohttp-res (RFC 9458, Section 4)."""

import os

from cryptography.exceptions import InvalidTag

from tacita.crypto.hpke import HpkeError, InvalidKey, Suite
from tacita.ohttp.errors import MalformedRequest, ResponseRefused, SuiteNotOffered, UndecryptableRequest
from tacita.ohttp.exchange import HEADER_SIZE, ONE_SHOT, ResponseSecret, start
from tacita.ohttp.keyconfig import KeyConfig
from tacita.ohttp.keys import GatewayKeys

__all__ = ["ClientContext", "GatewayContext", "decapsulate_request", "encapsulate_request"]


class ClientContext:
    """What a client keeps of its request to open the response with."""

    __slots__ = ("_secret",)

    def __init__(self, secret: ResponseSecret) -> None:
        self._secret = secret

    def decapsulate_response(self, message: bytes) -> bytes:
        """Return the Binary HTTP response inside a message/ohttp-res (Section 4.4).

        Raises:
            ResponseRefused: it does not belong to this request, or was altered or cut.
        """
        size = self._secret.nonce_size
        if len(message) < size:
            raise ResponseRefused
        cipher, nonce = self._secret.derive(message[:size])
        try:
            return cipher.decrypt(nonce, message[size:], None)
        except InvalidTag:
            raise ResponseRefused from None


class GatewayContext:
    """What a gateway keeps of a request to seal the response with."""

    __slots__ = ("_secret", "key_id")

    def __init__(self, secret: ResponseSecret, key_id: int) -> None:
        self._secret = secret
        self.key_id = key_id

    @property
    def enc(self) -> bytes:
        """The encapsulated key, which tells a replayed request (Section 6.5)."""
        return self._secret.enc

    def encapsulate_response(self, response: bytes, *, nonce: bytes | None = None) -> bytes:
        """Return the message/ohttp-res around a Binary HTTP response (Section 4.4).

        `nonce`, of max(Nn, Nk) bytes, is for vectors: a repeated one repeats the keys.

        Raises:
            ValueError: `nonce` has another length.
        """
        if nonce is None:
            nonce = os.urandom(self._secret.nonce_size)
        cipher, aead_nonce = self._secret.derive(nonce)
        return nonce + cipher.encrypt(aead_nonce, response, None)


def encapsulate_request(
    config: KeyConfig, request: bytes, *, suite: Suite | None = None, ephemeral: bytes | None = None
) -> tuple[bytes, ClientContext]:
    """Return the message/ohttp-req around a Binary HTTP request, and what opens its response.

    Without `suite` the client's preference decides (`KeyConfig.suites`). `ephemeral` is
    for vectors: the private key of the HPKE encapsulation.

    Raises:
        NoUsableKey: the configuration does not offer `suite`, or nothing that is implemented.
        InvalidKey: the configuration's key is of small order.
    """
    prefix, context, secret = start(config, ONE_SHOT, suite, ephemeral)
    return prefix + context.seal(b"", request), ClientContext(secret)


def decapsulate_request(keys: GatewayKeys, message: bytes) -> tuple[bytes, GatewayContext]:
    """Return the Binary HTTP request inside a message/ohttp-req, and what seals its response.

    Raises:
        RequestRefused: whatever is wrong; the leaf says what, and the peer is not told, not even by the
            time that it takes (Section 6.4), as long as the message's key id is known.
    """
    try:
        if len(message) < HEADER_SIZE:
            raise MalformedRequest
        setup = keys.setup(ONE_SHOT, message[:HEADER_SIZE])
        end = HEADER_SIZE + setup.suite.n_enc
        if len(message) < end + setup.suite.n_t:
            raise MalformedRequest
    except (SuiteNotOffered, MalformedRequest):
        keys.in_vain(ONE_SHOT, message)
        raise
    enc = message[HEADER_SIZE:end]
    try:
        context = setup.open(enc)
    except InvalidKey:
        setup.in_vain(message[end:])
        raise UndecryptableRequest from None
    try:
        request = context.open(b"", message[end:])
    except HpkeError:
        raise UndecryptableRequest from None
    return request, GatewayContext(ResponseSecret.of(context, enc, ONE_SHOT), message[0])
