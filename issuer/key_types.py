"""What the issuer can have keys for: one line a token type, by the name that configuration and files use.

A key file holds what `generate` made and `load` reads: PKCS#8 in PEM for RSA, encoded scalars for the
other types. `KEY_TYPES` signs with the fastest engine that there is; `issuer.signers.choice`
puts others in their place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tacita.crypto import safe_primes
from tacita.crypto.partially_blind_keys import PartiallyBlindSigner
from tacita.crypto.rsa_keys import KeyMalformed, RsaPrivateKey
from tacita.crypto.signer import Signer, best_signer
from tacita.privacypass.types import arc, blind_rsa, partially_blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.voprf import PrivateKey

__all__ = [
    "ARC",
    "BLIND_RSA",
    "KEY_TYPES",
    "Engine",
    "KeyType",
    "SigningKey",
    "blind_rsa_keys",
    "types_named",
]

BLIND_RSA = "blind-rsa"
ARC = "arc"
"""Experimental: docs/experimental.md."""

Engine: TypeAlias = Callable[[RsaPrivateKey], Signer]
"""Makes a signer of a key in memory. Raises `SigningUnavailable` where it cannot."""

SigningKey: TypeAlias = Signer | PartiallyBlindSigner | PrivateKey | arc.PrivateKey
"""What `tacita.privacypass.issuing.IssuingKey` signs with."""


@dataclass(frozen=True, slots=True)
class KeyType:
    """How keys of one token type are made and read.

    `load` raises an error of the tree for content that is not such a key. `discard`, where there is one,
    destroys what a key's content only refers to; it may be called again.
    """

    name: str
    token_type: int
    generate: Callable[[], bytes]
    load: Callable[[bytes], SigningKey]
    discard: Callable[[bytes], None] | None = None


def blind_rsa_keys(engine: Engine) -> KeyType:
    """Return the type `BLIND_RSA` with keys in memory that `engine` signs with."""
    return KeyType(
        BLIND_RSA,
        blind_rsa.TOKEN_TYPE,
        lambda: RsaPrivateKey.generate().to_pem(),
        lambda content: engine(_rsa_key(content)),
    )


def _rsa_key(content: bytes) -> RsaPrivateKey:
    private_key = RsaPrivateKey.from_pem(content)
    if private_key.public_key.modulus_size != blind_rsa.AUTHENTICATOR_LENGTH:
        raise KeyMalformed("Token types 0x0002 and 0xDA7A have keys of 2048 bits only.")
    return private_key


_TYPES = (
    KeyType(
        "voprf-p384",
        voprf_p384.TOKEN_TYPE,
        lambda: voprf_p384.PrivateKey.generate().to_bytes(),
        voprf_p384.PrivateKey.from_bytes,
    ),
    blind_rsa_keys(best_signer),
    KeyType(
        "voprf-ristretto255",
        voprf_ristretto255.TOKEN_TYPE,
        lambda: voprf_ristretto255.PrivateKey.generate().to_bytes(),
        voprf_ristretto255.PrivateKey.from_bytes,
    ),
    # Safe primes take seconds to find; the key is made an epoch before it is published.
    KeyType(
        "partially-blind-rsa",
        partially_blind_rsa.TOKEN_TYPE,
        lambda: safe_primes.generate().to_pem(),
        lambda content: PartiallyBlindSigner(_rsa_key(content)),
    ),
    KeyType(
        ARC,
        arc.TOKEN_TYPE,
        lambda: arc.PrivateKey.generate().to_bytes(),
        arc.PrivateKey.from_bytes,
    ),
)

KEY_TYPES: Mapping[str, KeyType] = {one.name: one for one in _TYPES}
"""By name, in the order of the token types' numbers."""


def types_named(names: Iterable[str], kinds: Mapping[str, KeyType] = KEY_TYPES) -> tuple[KeyType, ...]:
    """Return those of `kinds` with these names, in the order of `KEY_TYPES`, the same for all processes."""
    wanted = set(names)
    return tuple(kinds[one.name] for one in _TYPES if one.name in wanted)
