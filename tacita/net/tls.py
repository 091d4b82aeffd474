"""TLS as Tacita speaks it: version 1.3 only, on both sides of a connection.

Early data (0-RTT) is never accepted: Python's `ssl` has no way to enable it.
"""

import ssl
from pathlib import Path

from tacita.errors import ConfigError

__all__ = ["client_context", "server_context"]


def server_context(
    certificate: Path,
    private_key: Path,
    client_authority: Path | None = None,
    *,
    client_optional: bool = False,
) -> ssl.SSLContext:
    """Return a context that serves `certificate` (PEM chain) with `private_key` (PEM, mode 0600).

    With `client_authority` (PEM) a client has to show a certificate that leads there and is meant for
    clients; with `client_optional` it may also show none, but never a wrong one.

    Raises:
        ConfigError: a file is missing or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session would let the far side link two connections of one client.
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"The TLS certificate {certificate} and key {private_key} cannot be loaded; "
            "check that both are PEM files that belong together."
        ) from None
    if client_authority is not None:
        context.verify_mode = ssl.CERT_OPTIONAL if client_optional else ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cafile=client_authority)
        except (OSError, ssl.SSLError):
            raise ConfigError(f"The file {client_authority} holds no usable TLS certificates.") from None
    return context


def client_context(
    authority: Path | None = None, certificate: Path | None = None, private_key: Path | None = None
) -> ssl.SSLContext:
    """Return a context that trusts the system's roots, or only those in `authority` (PEM).

    With `certificate` (PEM chain) and its `private_key` (PEM, mode 0600) it shows that to servers that ask.
    No session is ever resumed: each connection looks like the first.

    Raises:
        ConfigError: a file is missing or not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"The file {authority} holds no usable TLS certificates.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, private_key)
        except (OSError, ssl.SSLError):
            raise ConfigError(
                f"The TLS certificate {certificate} and key {private_key} cannot be loaded; "
                "check that both are PEM files that belong together."
            ) from None
    return context
