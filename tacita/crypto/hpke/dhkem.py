"""What the Diffie-Hellman KEMs share (RFC 9180, Section 4.1): DHKEM(group, HKDF-SHA256)."""

from tacita.crypto.hpke.errors import InvalidKey
from tacita.crypto.hpke.kdf import SHA256, Labelled
from tacita.crypto.hpke.suites import Kem

__all__ = ["Dhkem"]

_N_SECRET = 32


class Dhkem:
    """ExtractAndExpand and the first half of DeriveKeyPair for the group of `kem`.

    Both begin with an HMAC under the empty key, whose state is computed once here.
    """

    __slots__ = ("_dkp_prk", "_eae_prk", "_kem", "_labelled", "_shared_secret_info")

    def __init__(self, kem: Kem) -> None:
        self._kem = kem
        self._labelled = labelled = Labelled(SHA256, b"KEM" + kem.to_bytes(2, "big"))
        self._eae_prk = SHA256.keyed(b"", labelled.extract_input(b"eae_prk", b""))
        self._dkp_prk = SHA256.keyed(b"", labelled.extract_input(b"dkp_prk", b""))
        self._shared_secret_info = labelled.expand_input(b"shared_secret", b"", _N_SECRET)

    def shared_secret(self, dh: bytes, enc: bytes, recipient: bytes) -> bytes:
        """Return the 32-byte shared secret of a Diffie-Hellman result.

        `enc` and `recipient` are the serialised ephemeral and recipient public keys.
        """
        prk = self._eae_prk.digest(dh)
        return SHA256.extract(prk, self._shared_secret_info + enc + recipient + b"\x01")

    def derive_prk(self, ikm: bytes) -> bytes:
        """Return `dkp_prk` of Section 7.1.3.

        Raises:
            InvalidKey: `ikm` is shorter than a private key and cannot have its entropy.
        """
        if len(ikm) < self._kem.n_sk:
            raise InvalidKey("The input keying material is shorter than a private key; draw a longer one.")
        return self._dkp_prk.digest(ikm)

    def derive(self, prk: bytes, label: bytes, info: bytes) -> bytes:
        """Return a candidate for a private key, `Nsk` bytes, out of `dkp_prk`."""
        return self._labelled.expand(prk, label, info, self._kem.n_sk)
