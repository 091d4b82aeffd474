"""A certificate for 127.0.0.1 that is its own authority, for as long as a bench runs."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tacita.net import tls

__all__ = ["Certificate", "certificate"]

_LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_HOURS = datetime.timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files (PEM) of the certificate and of its private key, which has mode 0600."""

    path: Path
    private_key: Path

    def server(self) -> ssl.SSLContext:
        """Return a context that serves it."""
        return tls.server_context(self.path, self.private_key)

    def client(self) -> ssl.SSLContext:
        """Return a context that trusts it and nothing else."""
        return tls.client_context(self.path)


def certificate(folder: Path) -> Certificate:
    """Make one in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOURS)
        .not_valid_after(now + _HOURS)
        .add_extension(
            # nginx compares with names only, where it checks its upstream.
            x509.SubjectAlternativeName([_LOOPBACK, x509.DNSName("bench")]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "bench.crt", folder / "bench.key")
    found.path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.private_key.touch(mode=0o600)
    found.private_key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return found
