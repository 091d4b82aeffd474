"""The private half of blind RSA: raise blinded messages to the private exponent, many at a time.

    signer = best_signer(private_key)
    signatures = signer.sign([blinded_message, ...])

An issuer signs nothing but integers that it cannot read, so all of RFC 9474's BlindSign
(Section 4.3) is here. `tests/contracts/signer.py` proves the rules of any engine.
"""

from collections.abc import Sequence
from typing import Protocol

from tacita.crypto.engines.crypto_mb import CryptoMbSigner
from tacita.crypto.engines.errors import SignerUnreachable, SigningFailed, SigningUnavailable
from tacita.crypto.engines.gmp import GmpSigner
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey

__all__ = ["Signer", "SignerUnreachable", "SigningFailed", "SigningUnavailable", "best_signer"]


class Signer(Protocol):
    """Signs blinded messages under one RSA key.

    Any implementation MUST

    - refuse a message that is not exactly `modulus_size` bytes of an integer strictly between 0 and
      the modulus, before anything of the batch is signed;
    - check each result against its message by the public exponent, and release none of a batch in
      which one does not fit: a single wrong CRT result gives the key away;
    - allow calls from several threads at once;
    - never put a key, message or signature into an error.
    """

    @property
    def public_key(self) -> RsaPublicKey:
        """The key that the signatures verify under."""

    @property
    def modulus_size(self) -> int:
        """Length in bytes of the modulus, of each blinded message and of each signature."""

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return one signature for each blinded message, in order.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: an operation failed or a result does not verify; none is returned.
            SignerUnreachable: the key is in a device that does not answer; none is returned.
        """


def best_signer(private_key: RsaPrivateKey) -> Signer:
    """Return the fastest engine of this machine for `private_key`: crypto_mb, libcrypto or gmpy2.

    Raises:
        SigningUnavailable: neither libcrypto nor gmpy2 is there.
    """
    for engine in (CryptoMbSigner, LibcryptoSigner, GmpSigner):
        try:
            return engine(private_key)
        except SigningUnavailable:
            continue
    raise SigningUnavailable(
        "Nothing here can sign: install OpenSSL 3 (package libssl3) or the extra `issuer`."
    )
