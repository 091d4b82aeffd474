"""The attester for client certificates: TLS has verified the chain, this says whose it is.

The listening context (`tacita.net.tls`) trusts one authority and lets nobody through whose
certificate does not lead there. It looks at a certificate once, when the connection is made, and
connections are kept: so the validity is checked here at each request.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.attesters import Account, Evidence
from issuer.attesters.config import MutualTlsConfig
from issuer.errors import CertificateMissing, CertificateRefused
from issuer.tiers import Allowance

__all__ = ["MutualTlsAttester"]

_MAX_CERTIFICATE = 16_384
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class MutualTlsAttester:
    """Vouches for holders of certificates, all of one tier. `clock` returns UNIX seconds."""

    def __init__(
        self,
        config: MutualTlsConfig,
        tiers: Mapping[str, Allowance],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity = {"key": _key, "subject": _subject, "san": _alternative_name}[config.account]
        (self._quota,) = [tiers[config.tier]] if config.tier else tiers.values()
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        pass

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account of the certificate in `evidence`; see `Attester`."""
        if evidence.peer_certificate is None:
            raise CertificateMissing
        if len(evidence.peer_certificate) > _MAX_CERTIFICATE:
            raise CertificateRefused
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            certificate = x509.load_der_x509_certificate(evidence.peer_certificate)
            valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
            identity = self._identity(certificate) if valid else ""
        except _UNREADABLE:
            raise CertificateRefused from None
        if not identity:
            raise CertificateRefused
        return Account(identity, self._quota)

    async def check(self) -> None:
        """Everything that it needs comes with the request; see `Attester`."""


def _key(certificate: x509.Certificate) -> str:
    """Return the digest of the public key: a renewed certificate of the same key is the same account."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "key:" + sha256(spki).hexdigest()


def _subject(certificate: x509.Certificate) -> str:
    """Return the digest of the subject's DER: names have more than one spelling as text."""
    if not list(certificate.subject):
        return ""
    return "subject:" + sha256(certificate.subject.public_bytes()).hexdigest()


def _alternative_name(certificate: x509.Certificate) -> str:
    """Return the one URI, DNS name or mail address; among several nobody could say which one counts."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    if len(list(names)) != 1:
        return ""
    (name,) = names
    if not isinstance(name, x509.UniformResourceIdentifier | x509.DNSName | x509.RFC822Name):
        return ""
    return f"{type(name).__name__}:{name.value}"
