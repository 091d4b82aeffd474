"""What the issuer can have keys for: one line a token type, by the name that configuration and files use.

A key file holds what `generate` made and `load` reads: PKCS#8 in PEM for RSA, the encoded scalar for
the types on VOPRF.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tacita.crypto.rsa_keys import KeyMalformed, RsaPrivateKey
from tacita.crypto.signer import Signer, best_signer
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.voprf import PrivateKey

__all__ = ["KEY_TYPES", "KeyType", "SigningKey", "types_named"]

SigningKey: TypeAlias = Signer | PrivateKey
"""What `tacita.privacypass.issuing.IssuingKey` signs with."""


@dataclass(frozen=True, slots=True)
class KeyType:
    """How keys of one token type are made and read.

    `load` raises an error of the tree for content that is not such a key.
    """

    name: str
    token_type: int
    generate: Callable[[], bytes]
    load: Callable[[bytes], SigningKey]


def _load_blind_rsa(content: bytes) -> Signer:
    private_key = RsaPrivateKey.from_pem(content)
    if private_key.public_key.modulus_size != blind_rsa.AUTHENTICATOR_LENGTH:
        raise KeyMalformed("Token type 0x0002 has keys of 2048 bits only.")
    return best_signer(private_key)


_TYPES = (
    KeyType(
        "voprf-p384",
        voprf_p384.TOKEN_TYPE,
        lambda: voprf_p384.PrivateKey.generate().to_bytes(),
        voprf_p384.PrivateKey.from_bytes,
    ),
    KeyType("blind-rsa", blind_rsa.TOKEN_TYPE, lambda: RsaPrivateKey.generate().to_pem(), _load_blind_rsa),
    KeyType(
        "voprf-ristretto255",
        voprf_ristretto255.TOKEN_TYPE,
        lambda: voprf_ristretto255.PrivateKey.generate().to_bytes(),
        voprf_ristretto255.PrivateKey.from_bytes,
    ),
)

KEY_TYPES: Mapping[str, KeyType] = {one.name: one for one in _TYPES}
"""By name, in the order of the token types' numbers."""


def types_named(names: Iterable[str]) -> tuple[KeyType, ...]:
    """Return the types with these names, in the order of `KEY_TYPES`, so that all processes have the same."""
    wanted = set(names)
    return tuple(one for one in _TYPES if one.name in wanted)
