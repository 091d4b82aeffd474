"""What the relay shows to one gateway and to nobody else: a certificate, or a secret.

They are the relay's own, the same for every request, so they say nothing about clients.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Self

from relay.config import GatewayConfig, GatewayTls
from tacita.errors import ConfigError
from tacita.net import tls
from tacita.net.message import Fields
from tacita.service.keyfiles import read_secret

__all__ = ["Credentials"]

# RFC 6750, section 2.1: what follows "Bearer ".
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*\Z")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files of a gateway's table, as they were when they were read."""

    context: SSLContext
    """For connections to the gateway."""
    public: SSLContext
    """For connections to anybody else."""
    fields: Fields
    """Added to what goes to the gateway."""
    digest: bytes
    """Another one when a file has another content."""

    @classmethod
    def load(cls, config: GatewayConfig, public: SSLContext) -> Self:
        """Read them. Raises `ConfigError`: a file is missing or not what it should be."""
        digest = hashlib.sha256()
        for path in _files(config):
            digest.update(_content(path))
        context = public
        if config.tls != GatewayTls():
            context = tls.client_context(config.tls.authority, config.tls.certificate, config.tls.private_key)
        return cls(context, public, _authorization(config.bearer), digest.digest())


def _authorization(path: Path | None) -> Fields:
    if path is None:
        return ()
    token = read_secret(path, "the secret for a gateway").strip()
    if _TOKEN.match(token) is None:
        raise ConfigError(
            f"{path} (the secret for a gateway) is no bearer token; use letters, digits and -._~+/ only."
        )
    return ((b"Authorization", b"Bearer " + token),)


def _files(config: GatewayConfig) -> Iterator[Path]:
    for path in (config.tls.authority, config.tls.certificate, config.tls.private_key, config.bearer):
        if path is not None:
            yield path


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} (for a gateway) cannot be read: {error.strerror}.") from None
    return hashlib.sha256(content).digest()
