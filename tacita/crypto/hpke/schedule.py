"""The key schedule of base mode (RFC 9180, Section 5.1)."""

from functools import lru_cache
from typing import NamedTuple

from tacita.crypto.hpke import kdf
from tacita.crypto.hpke.aead import Cipher, cipher
from tacita.crypto.hpke.kdf import Labelled
from tacita.crypto.hpke.suites import Suite

__all__ = ["KeySchedule", "Secrets"]

_MODE_BASE = b"\x00"


class Secrets(NamedTuple):
    """What a context lives on."""

    cipher: Cipher
    base_nonce: bytes
    exporter_secret: bytes


@lru_cache(maxsize=32)
def _of_suite(suite: Suite) -> tuple[Labelled, bytes]:
    """Return what depends on the suite alone: its labelled functions and `psk_id_hash`."""
    labelled = Labelled(kdf.of(suite.kdf), b"HPKE" + suite.to_bytes())
    return labelled, labelled.extract(b"", b"psk_id_hash", b"")


class KeySchedule:
    """Everything in the schedule that depends on (suite, info) alone, computed once.

    What remains for each shared secret is one extraction and three expansions of one
    block each, the latter under one HMAC key.
    """

    __slots__ = (
        "_aead",
        "_hkdf",
        "_infos",
        "_n_k",
        "_n_n",
        "_secret_input",
        "labelled",
        "suite",
    )

    def __init__(self, suite: Suite, info: bytes) -> None:
        labelled, psk_id_hash = _of_suite(suite)
        context = _MODE_BASE + psk_id_hash + labelled.extract(b"", b"info_hash", info)
        self.labelled = labelled
        self.suite = suite
        self._hkdf = labelled.hkdf
        self._aead = suite.aead
        self._n_k = suite.n_k
        self._n_n = suite.n_n
        self._secret_input = labelled.extract_input(b"secret", b"")
        # b"\x01" is the block counter of HKDF-Expand.
        self._infos = (
            labelled.expand_input(b"key", context, suite.n_k) + b"\x01",
            labelled.expand_input(b"base_nonce", context, suite.n_n) + b"\x01",
            labelled.expand_input(b"exp", context, labelled.hkdf.size) + b"\x01",
        )

    def derive(self, shared_secret: bytes) -> Secrets:
        """Return the secrets of the context that `shared_secret` (32 bytes) opens."""
        hkdf = self._hkdf
        prk = hkdf.extract(shared_secret, self._secret_input)
        key, base_nonce, exporter_secret = hkdf.first_blocks(prk, self._infos)
        return Secrets(cipher(self._aead, key[: self._n_k]), base_nonce[: self._n_n], exporter_secret)
