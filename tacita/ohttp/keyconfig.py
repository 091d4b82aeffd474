"""Key configurations: what a gateway publishes and a client encapsulates to (RFC 9458, Section 3).

Canonical: `encode(decode(data))` is `data`. Decoding is as strict as the RFC and no
stricter: clients that disagree about which configuration is readable could be told
apart by it (Section 3.2). A list with any error is discarded as a whole; an entry for
an unknown KEM is no error and is skipped, for its length says where the next begins;
unknown, unordered and repeated symmetric algorithms are no errors either, and stay in
their places.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tacita.crypto.hpke import Aead, InvalidKey, Kdf, Kem, PublicKey, Suite
from tacita.ohttp.errors import KeyListTooLong, MalformedKeyConfig, NoUsableKey, UnsupportedKem
from tacita.wire.cursor import Cursor, TrailingBytes, opaque16
from tacita.wire.varint import Truncated

__all__ = ["MAX_LIST_SIZE", "KeyConfig", "decode", "decode_list", "encode_list", "select"]

MAX_LIST_SIZE = 65_536
"""Bytes of a list that are read at most. Two epochs of three suites take under 4 KiB."""

_MAX_ALGORITHMS = 65_532 // 4

_PREFERENCE = (Aead.AES_128_GCM, Aead.AES_256_GCM, Aead.CHACHA20_POLY1305)
"""The client's order. It is fixed, so that all clients of a configuration choose alike
and the choice, which the relay sees, tells nothing; AES-128-GCM comes first since every
known gateway offers it and it is the cheapest with AES in hardware. Of the KDFs SHA-256 comes first."""


@dataclass(frozen=True)
class KeyConfig:
    """One key configuration.

    `key_id` is one byte. `symmetric_algorithms` are pairs (KDF id, AEAD id) as
    published, unknown ones among them.
    """

    key_id: int
    kem: Kem
    public_key: PublicKey
    symmetric_algorithms: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not 0 <= self.key_id <= 0xFF:
            raise ValueError("a key identifier is one byte")
        if self.public_key.kem is not self.kem:
            raise ValueError("the public key belongs to another KEM than the configuration")
        if not 1 <= len(self.symmetric_algorithms) <= _MAX_ALGORITHMS:
            raise ValueError("a key configuration offers between 1 and 16,383 pairs of algorithms")

    @cached_property
    def suites(self) -> tuple[Suite, ...]:
        """The offered suites that are implemented here, in the client's order of preference."""
        return tuple(
            Suite(self.kem, kdf, aead)
            for kdf in Kdf
            for aead in _PREFERENCE
            if (kdf, aead) in self.symmetric_algorithms
        )

    def encode(self) -> bytes:
        """Return the encoding of Section 3.1."""
        algorithms = b"".join(
            kdf.to_bytes(2, "big") + aead.to_bytes(2, "big") for kdf, aead in self.symmetric_algorithms
        )
        return (
            self.key_id.to_bytes(1, "big")
            + self.kem.to_bytes(2, "big")
            + self.public_key.to_bytes()
            + opaque16(algorithms)
        )

    @classmethod
    def decode(cls, data: bytes) -> "KeyConfig":
        """Return the configuration that `data` encodes, to its last byte.

        Raises:
            MalformedKeyConfig: the bytes are cut, or go on, or hold no valid key or no algorithms.
            UnsupportedKem: the key is for a KEM that is not implemented.
        """
        try:
            return cls._read(Cursor(data))
        except (Truncated, TrailingBytes):
            raise MalformedKeyConfig("A key configuration has another length than its fields.") from None
        except InvalidKey:
            raise MalformedKeyConfig("A key configuration holds no valid key of its KEM.") from None

    @classmethod
    def _read(cls, cursor: Cursor) -> "KeyConfig":
        key_id = cursor.u8()
        kem_id = cursor.u16()
        try:
            kem = Kem(kem_id)
        except ValueError:
            raise UnsupportedKem("A key configuration is for a KEM that is not implemented.") from None
        public_key = PublicKey.from_bytes(kem, cursor.take(kem.n_pk))
        algorithms = Cursor(cursor.opaque16())
        cursor.finish()
        if algorithms.remaining == 0 or algorithms.remaining % 4:
            raise MalformedKeyConfig("The algorithms of a key configuration are not one or more pairs.")
        pairs = tuple((algorithms.u16(), algorithms.u16()) for _ in range(algorithms.remaining // 4))
        return cls(key_id, kem, public_key, pairs)


decode = KeyConfig.decode


def encode_list(configs: Iterable[KeyConfig]) -> bytes:
    """Return the application/ohttp-keys form of `configs`, the preferred one first.

    Raises:
        ValueError: there are none; the format has no empty list.
    """
    encoded = b"".join(opaque16(config.encode()) for config in configs)
    if not encoded:
        raise ValueError("a list of key configurations has at least one")
    return encoded


def decode_list(data: bytes) -> tuple[KeyConfig, ...]:
    """Return the configurations of application/ohttp-keys, without those for unknown KEMs.

    Raises:
        MalformedKeyConfig: any entry is malformed, or there are no entries.
        KeyListTooLong: `data` is longer than `MAX_LIST_SIZE`.
    """
    if len(data) > MAX_LIST_SIZE:
        raise KeyListTooLong("A list of key configurations is longer than 64 KiB.")
    if not data:
        raise MalformedKeyConfig("A list of key configurations is empty.")
    cursor = Cursor(data)
    configs = []
    while cursor.remaining:
        try:
            encoded = cursor.opaque16()
        except Truncated:
            raise MalformedKeyConfig("A list of key configurations ends inside an entry.") from None
        try:
            configs.append(KeyConfig.decode(encoded))
        except UnsupportedKem:
            continue
    return tuple(configs)


def select(configs: Iterable[KeyConfig]) -> KeyConfig:
    """Return the first configuration with a suite that is implemented: the gateway's order rules.

    So all clients of one version choose alike, and it is for the gateway to put X-Wing first. A
    client that preferred it by itself would stand out among those that do not.

    Raises:
        NoUsableKey: there is none.
    """
    for config in configs:
        if config.suites:
            return config
    raise NoUsableKey("No key configuration offers algorithms that are implemented here.")
