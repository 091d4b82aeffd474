"""Signs with gmpy2, where no OpenSSL 3 is to be had.

The exponentiations run by CRT with GMP's side-channel-silent `powmod_sec`. Reduction and
recombination around them do not, so each message is blinded by a random factor first and
nothing secret depends on what a peer chose (RFC 9474, Section 7.1). The result is
checked by the public exponent, unblinded, before it leaves.

gmpy2 holds the GIL: signatures from several threads are safe, and run one after another.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey

try:
    import gmpy2
except ImportError:
    gmpy2 = None

__all__ = ["GmpSigner"]


class GmpSigner:
    """A `Signer` on GMP's constant-time powers."""

    def __init__(self, private_key: RsaPrivateKey) -> None:
        """Take the integers of `private_key`. Raises `SigningUnavailable` where gmpy2 is not installed."""
        if gmpy2 is None:
            raise SigningUnavailable("gmpy2 is not installed; install the extra `issuer`.")
        self.public_key: RsaPublicKey = private_key.public_key
        self.modulus_size: int = private_key.public_key.modulus_size
        numbers = private_key.numbers()
        self._n, self._e = gmpy2.mpz(self.public_key.n), gmpy2.mpz(self.public_key.e)
        self._p, self._q = gmpy2.mpz(numbers.p), gmpy2.mpz(numbers.q)
        self._dp, self._dq = gmpy2.mpz(numbers.dmp1), gmpy2.mpz(numbers.dmq1)
        self._q_inverse = gmpy2.mpz(numbers.iqmp)

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: a result does not verify; none is returned.
        """
        values = [gmpy2.mpz(self.public_key.representative(message)) for message in blinded]
        return [int(self._sign(value)).to_bytes(self.modulus_size, "big") for value in values]

    def _sign(self, value: Any) -> Any:
        while True:
            factor = gmpy2.mpz(secrets.randbelow(self.public_key.n - 1) + 1)
            try:
                unblind = gmpy2.invert(factor, self._n)
                break
            except ZeroDivisionError:  # the factor shares a prime with n: never in practice
                continue
        hidden = value * gmpy2.powmod(factor, self._e, self._n) % self._n
        at_p = gmpy2.powmod_sec(hidden % self._p, self._dp, self._p)
        at_q = gmpy2.powmod_sec(hidden % self._q, self._dq, self._q)
        signature = (at_q + (at_p - at_q) * self._q_inverse % self._p * self._q) * unblind % self._n
        if gmpy2.powmod(signature, self._e, self._n) != value:
            raise SigningFailed("A signature came out wrong and was withheld; check the key and the machine.")
        return signature
