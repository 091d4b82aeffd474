"""Certificates made for one test: a self-signed one for 127.0.0.1, or an authority and what it signs."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

__all__ = ["LOOPBACK", "Authority", "self_signed"]

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_HOUR = datetime.timedelta(hours=1)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write certificate and private key as PEM into `folder`; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("loopback")
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([LOOPBACK]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _write(folder, certificate, key)


class Authority:
    """An authority of its own; `certificate` is its PEM file in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate, _ = _write(folder, own, self._key)

    def issue(
        self,
        name: str,
        *,
        alternative: Sequence[x509.GeneralName] = (),
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        key: ec.EllipticCurvePrivateKey | None = None,
        ends: datetime.timedelta = _HOUR,
    ) -> tuple[Path, Path]:
        """Write a certificate for `name` and its private key as PEM; return both paths."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _name(name) if name else x509.Name([])
        builder = _builder(subject, self._name, key.public_key(), ends=ends)
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=not name)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        folder = self._folder / f"{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        return _write(folder, builder.sign(self._key, hashes.SHA256()), key)

    def issue_der(self, name: str, **options: object) -> bytes:
        """Return the DER of what `issue` writes."""
        path, _ = self.issue(name, **options)  # type: ignore[arg-type]
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    ends: datetime.timedelta = _HOUR,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * _HOUR)
        .not_valid_after(now + ends)
    )


def _write(folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    paths[1].chmod(0o600)
    return paths
