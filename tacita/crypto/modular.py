"""Modular powers and inverses for the side that blinds, by gmpy2 where it is installed.

NOT for private keys. Neither way runs in constant time. What passes through here is
public, or a blinding factor that its owner drew for one message, uses once, and never
computes with again; whoever could time that computation sits in the owner's own
process. Private exponents stay in `tacita.crypto.engines`.
"""

import math

try:
    import gmpy2
except ImportError:  # the extras `issuer` and `client` list it; a gateway only verifies and does without
    gmpy2 = None

__all__ = ["inverse", "is_coprime", "power"]


def power(base: int, exponent: int, modulus: int) -> int:
    """Return `base` to the `exponent` modulo `modulus`."""
    if gmpy2 is None:
        return pow(base, exponent, modulus)
    return int(gmpy2.powmod(base, exponent, modulus))


def inverse(value: int, modulus: int) -> int:
    """Return the inverse of `value` modulo `modulus`.

    Raises:
        ValueError: there is none.
    """
    if gmpy2 is None:
        return pow(value, -1, modulus)
    try:
        return int(gmpy2.invert(value, modulus))
    except ZeroDivisionError:
        raise ValueError("the value has no inverse for this modulus") from None


def is_coprime(value: int, modulus: int) -> bool:
    """Return whether 1 is the only common divisor of `value` and `modulus`."""
    if gmpy2 is None:
        return math.gcd(value, modulus) == 1
    return bool(gmpy2.gcd(value, modulus) == 1)
