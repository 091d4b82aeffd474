"""Keys for public metadata: the safe-prime key of the draft's vectors."""

from functools import cache

from support import rsa, vectors

from tacita.crypto.partially_blind_rsa import PartiallyBlindSigner
from tacita.crypto.rsa_keys import RsaPrivateKey

__all__ = ["private_key", "signer"]


def private_key() -> RsaPrivateKey:
    """Return the draft's key. Making one takes seconds."""
    key = vectors.own("partially_blind_rsa_01.json")["key"]
    return rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d")))


@cache
def signer() -> PartiallyBlindSigner:
    """Return a signer for it."""
    return PartiallyBlindSigner(private_key())
