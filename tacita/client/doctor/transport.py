"""TLS 1.3 and nothing older, wherever clients connect to (RFC 8446; RFC 9458, Section 6.1)."""

import asyncio
import ssl
from functools import partial
from urllib.parse import urlsplit

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import OURS, Check, Look
from tacita.client.doctor.verdicts import NotApplicable, Wrong
from tacita.net.upstream import UpstreamUnreachable
from tacita.net.urls import is_local

__all__ = ["CHECKS"]

_SECONDS = 10.0


async def _only_1_3(party: str, case: Case) -> str:
    origins = case.subject.parties[party]
    if not origins:
        raise NotApplicable("It is not examined.")
    secure = [origin for origin in origins if origin.startswith("https:")]
    for origin in origins:
        if origin not in secure and not is_local(origin):
            raise Wrong("It is on another machine without https.")
    if not secure:
        raise NotApplicable("It is on this machine, without https.")
    for origin in secure:
        case.visitor.count(origin)
        if await _speaks_1_2(origin):
            raise Wrong("It speaks TLS 1.2.")
        await case.visitor.ask("GET", f"{origin}/")  # over 1.3, with its certificate verified
    return "a handshake of 1.3 succeeds, one of 1.2 does not"


async def _speaks_1_2(origin: str) -> bool:
    """Return whether a handshake of TLS 1.2 succeeds; nothing is sent over it."""
    parts = urlsplit(origin)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is, the other handshake sees; here a refusal has to be one of the version.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 443, ssl=context, server_hostname=parts.hostname
            )
    except ssl.SSLError:
        return False
    except ConnectionResetError:
        return False
    except (OSError, TimeoutError):
        raise UpstreamUnreachable("The server cannot be reached; try again later.") from None
    writer.transport.abort()
    return True


def _look(party: str) -> Look:
    return partial(_only_1_3, party)


CHECKS: dict[str, Check] = {
    party: Check(f"{party}.tls", "TLS 1.3 only", OURS, _look(party))
    for party in ("relay", "mirror", "gateway", "issuer")
}
"""One for each party."""
