"""Who comes in: relays and mirrors, by their certificates or by a secret that each of them has.

A certificate hangs on the pinned authority (that is TLS's to see, before anything of HTTP) and has one of
the pinned keys, where some are pinned. A bearer secret is one of those in a file. Where the configuration
asks for neither, everybody may come in, and all of them are one.

Which relay it is, is a label for `gateway.replay`, which gives each room of its own. It is the digest of the
certificate's public key, or of the secret, and goes nowhere else: it is not logged, counted or sent on.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.config import FrontConfig
from gateway.errors import OuterError, RelayUnknown, RelayUnnamed
from gateway.observe import Observations
from gateway.replay import ANONYMOUS
from tacita.errors import ConfigError
from tacita.net.carried import CarriedRequest
from tacita.net.message import Request
from tacita.service.keyfiles import read_secret

__all__ = ["Front", "key_digest"]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_SECRET = re.compile(rb"[A-Za-z0-9\-._~+/]{32,512}=*")
"""RFC 6750, Section 2.1; 32 characters are 128 bits at least in hexadecimal."""

_MOST_SECRETS = 256


class Front:
    """Names the relay of each request.

    Raises:
        ConfigError: the file with the secrets cannot be used.
    """

    def __init__(self, config: FrontConfig, observed: Observations) -> None:
        self._config = config
        self._observed = observed
        self._secrets = _secrets(config.bearer)

    async def reload(self) -> None:
        """Take the secrets anew. Raises `ConfigError`, and then keeps those that it has."""
        self._secrets = await asyncio.to_thread(_secrets, self._config.bearer)

    def relay_of(self, request: Request) -> str:
        """Return the label of the relay that has sent `request`.

        Raises:
            RelayUnnamed, RelayUnknown: it must show who it is, or is nobody that may come in.
        """
        try:
            by_secret = self._by_secret(request)
            return self._by_certificate(request) or by_secret or ANONYMOUS
        except OuterError as error:
            self._observed.outer(error)
            raise

    def guarded(self, handler: _Handler) -> _Handler:
        """Return an aiohttp handler that serves only who may come in."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self.relay_of(CarriedRequest(request))
            return await handler(request)

        return handle

    def _by_secret(self, request: Request) -> str | None:
        if not self._secrets:
            return None
        shown = request.values(b"authorization")
        secret = _BEARER.fullmatch(shown[0]) if len(shown) == 1 else None
        if secret is None:
            raise RelayUnnamed("Send the secret of the relay as a bearer token.")
        digest = hashlib.sha256(secret[1]).digest()
        # All are compared, and each whole: how long it takes tells nothing.
        found = [known for known in self._secrets if hmac.compare_digest(known, digest)]
        if not found:
            raise RelayUnnamed("The secret is not one of those that this gateway knows; ask its operator.")
        return "secret " + found[0].hex()

    def _by_certificate(self, request: Request) -> str | None:
        if self._config.tls_client_authority is None:
            return None
        certificate = request.certificate()
        digest = key_digest(certificate) if certificate is not None else None
        if digest is None or (self._config.tls_client_keys and digest not in self._config.tls_client_keys):
            raise RelayUnknown("The certificate is not one that this gateway knows; ask its operator.")
        return "key " + digest


@lru_cache(maxsize=_MOST_SECRETS)
def key_digest(certificate: bytes) -> str | None:
    """Return the SHA-256 of the certificate's (DER) public key (SubjectPublicKeyInfo) in hexadecimal.

    None where it is none that can be read.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _secrets(path: Path | None) -> tuple[bytes, ...]:
    """Return the digests of the secrets in the file `path`, one a line."""
    if path is None:
        return ()
    secrets = read_secret(path, "the secrets of the relays").split()
    if not 1 <= len(secrets) <= _MOST_SECRETS or not all(map(_SECRET.fullmatch, secrets)):
        raise ConfigError(
            f"{path} has one secret for each relay, a line each: 32 characters or more of A-Z a-z 0-9 "
            "- . _ ~ + /, as `openssl rand -hex 32` prints them."
        )
    return tuple(hashlib.sha256(secret).digest() for secret in secrets)
