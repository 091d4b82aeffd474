"""RSA keys for tests: made once for a run, or put together from the numbers of a vector."""

from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tacita.crypto.rsa_keys import RsaPrivateKey

__all__ = ["damaged", "from_numbers", "private_key", "with_public_exponent"]


@cache
def private_key(number: int = 0) -> RsaPrivateKey:
    """Return a 2048-bit key, the same one for the same `number` during this run."""
    return RsaPrivateKey.generate()


@cache
def from_numbers(p: int, q: int, e: int, d: int) -> RsaPrivateKey:
    """Return the key of these integers."""
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    return RsaPrivateKey(numbers.private_key())


def damaged(key: RsaPrivateKey, **flips: int) -> RsaPrivateKey:
    """Return `key` with bits of the named secret integers flipped, as a fault in memory would."""
    numbers = key.numbers()
    values: dict[str, Any] = {
        name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")
    }
    for name, mask in flips.items():
        values[name] ^= mask
    bad = rsa.RSAPrivateNumbers(**values, public_numbers=numbers.public_numbers)
    return RsaPrivateKey(bad.private_key(unsafe_skip_rsa_key_validation=True))


def with_public_exponent(der: bytes, e: int) -> bytes:
    """Return the private key `der` with another public exponent than its private one is the inverse of."""
    key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    bad = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=numbers.d,
        dmp1=numbers.dmp1,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=rsa.RSAPublicNumbers(e, numbers.public_numbers.n),
    )
    return bad.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
