"""Elements and scalars of the three groups, and public keys: what a peer can send of each."""

from collections.abc import Callable, Iterator
from typing import Any

from support.fuzzing import canonical, pick, shared_values

from tacita.crypto.groups import p256, p384, ristretto255
from tacita.crypto.hpke import Kem, PublicKey
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.privacypass.types import voprf_p384, voprf_ristretto255

_GROUPS: tuple[Any, ...] = (p256.P256, p384.P384, ristretto255.RISTRETTO255)


def _element(group: Any) -> Callable[[bytes], None]:
    return lambda data: canonical(group.decode, lambda element: element.encoding, data)


def _scalar(group: Any) -> Callable[[bytes], None]:
    return lambda data: canonical(group.decode_scalar, group.encode_scalar, data)


def _kem(kem: Kem) -> Callable[[bytes], None]:
    return lambda data: canonical(lambda raw: PublicKey.from_bytes(kem, raw), PublicKey.to_bytes, data)


def _rsa(data: bytes) -> None:
    canonical(RsaPublicKey, lambda key: key.spki, data)


def _voprf(data: bytes) -> None:
    for module in (voprf_p384, voprf_ristretto255):
        canonical(module.TokenRequest.decode, lambda one: one.encode(), data)
        canonical(module.TokenResponse.decode, lambda one: one.encode(), data)


_CHOICES = (
    *(_element(group) for group in _GROUPS),
    *(_scalar(group) for group in _GROUPS),
    *(_kem(kem) for kem in Kem),
    _rsa,
    _voprf,
)


def one(data: bytes) -> None:
    """Every element, scalar and key has one encoding; all other bytes are refused."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    for number, group in enumerate(_GROUPS):
        yield bytes([number]) + group.generator.encoding
        yield bytes([number]) + bytes(len(group.generator.encoding))
        yield bytes([number + 3]) + bytes(group.scalar_length - 1) + b"\1"
    for number, kem in enumerate(Kem):
        yield bytes([6 + number]) + bytes(kem.n_pk)
    for value in shared_values("privacypass/rfc9497-oprf-all.json"):
        for choice in range(6):
            yield bytes((choice,)) + value
