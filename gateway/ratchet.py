"""The forward ratchet that gives a gateway's keys: pure, no file and no clock.

Each epoch has a chain, a secret from which everything else of it follows:

    chain of n+1 = HKDF-Expand(chain of n, "chain" || n)
    key of n     = DeriveKeyPair(HKDF-Expand(chain of n, "key" || n || kem))
    key id       = (n x SUITES + suite) mod 256

So instances that have had one chain in common agree on every later key without a word between
them, and who steals a chain learns nothing of the epochs before it once their chains are gone.
It is forward secrecy and no more: a stolen chain gives all later ones away, until it is replaced.

A suite is here what has a key of its own: one KEM. The labels bind each output to its epoch. Suites
have fixed places, so that key and id of a KEM depend on the epoch alone and not on which others are
offered: one can be added, put first or taken out while the rest stays what clients know it to be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey, kdf
from tacita.ohttp import GatewayKey, KeyConfig

__all__ = ["CHAIN_SIZE", "MAX_EPOCH", "SUITES", "Link", "RatchetKey", "advance", "gateway_key", "key_id"]

CHAIN_SIZE = 32
"""Bytes of a chain: one output of HKDF with SHA-256."""

MAX_EPOCH = 2**40
"""Above any epoch of a real clock."""

SUITES = 8
"""Places for suites, some of them free. An id comes again after 256 / 8 = 32 epochs; three are accepted
at a time."""

_PLACES: Mapping[Kem, int] = {Kem.X25519: 0, Kem.P256: 1, Kem.XWING: 2}
"""Never to be changed: all instances have to agree, whatever their release."""

_LABEL = b"tacita gateway ratchet 1 "
_ALGORITHMS = tuple(
    (Kdf.HKDF_SHA256, aead) for aead in (Aead.AES_128_GCM, Aead.AES_256_GCM, Aead.CHACHA20_POLY1305)
)


@dataclass(frozen=True, slots=True)
class RatchetKey:
    """One private key of an epoch, and the key id that it is published with."""

    key_id: int
    private_key: PrivateKey


@dataclass(frozen=True, slots=True)
class Link:
    """The chain of one epoch."""

    epoch: int
    chain: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.epoch <= MAX_EPOCH or len(self.chain) != CHAIN_SIZE:
            raise ValueError("an epoch is a small number, and its chain has 32 bytes")

    def following(self) -> "Link":
        """Return the link of the epoch after this one."""
        return Link(self.epoch + 1, self._expand(b"chain", b"", CHAIN_SIZE))

    def private_key(self, kem: Kem) -> PrivateKey:
        """Return the private key of this epoch for `kem` (RFC 9180, Section 4: DeriveKeyPair)."""
        return PrivateKey.derive(kem, self._expand(b"key", kem.to_bytes(2, "big"), kem.n_sk))

    def keys(self, kems: Sequence[Kem]) -> tuple[RatchetKey, ...]:
        """Return the private keys of this epoch with their ids, in the order of `kems`."""
        return tuple(RatchetKey(key_id(self.epoch, kem), self.private_key(kem)) for kem in kems)

    def _expand(self, what: bytes, which: bytes, size: int) -> bytes:
        return kdf.SHA256.expand(self.chain, _LABEL + what + self.epoch.to_bytes(8, "big") + which, size)


def key_id(epoch: int, kem: Kem) -> int:
    """Return the key id of `kem` in `epoch`: another one for each KEM, and in each of 32 epochs."""
    return (epoch * SUITES + _PLACES[kem]) % 256


def gateway_key(key: RatchetKey) -> GatewayKey:
    """Return the key with its configuration, as it is published."""
    private = key.private_key
    return GatewayKey(KeyConfig(key.key_id, private.kem, private.public_key, _ALGORITHMS), private)


def advance(link: Link, epoch: int) -> Iterator[Link]:
    """Yield the links after `link` up to that of `epoch`."""
    while link.epoch < epoch:
        link = link.following()
        yield link
