"""Hiding lengths: the Padmé scheme, applied to Binary HTTP.

Encryption keeps the length of what it hides. Padmé lets a length keep only the upper
bits of its mantissa, so that a message of up to M bytes leaks O(log log M) bits and
grows by at most 12 percent (less the longer it is): Nikitin, Barman, Lueks,
Underwood, Hubaux, Ford, "Reducing Metadata Leakage from Encrypted Files and
Communication with PURBs", PoPETs 2019(4).

Binary HTTP ends in as many zero bytes as the sender likes (RFC 9292, Section 3.8), and
its decoder checks and drops them. Hence nothing here takes padding off: from outside,
zeros of the content and zeros of the padding look alike.
"""

__all__ = ["FLOOR", "pad", "padded_length", "padme"]

FLOOR = 1_024
"""Bytes that the shortest message is padded to. Padmé hardly pads short messages, and what one TCP
segment carries anyway costs nothing."""


def padme(length: int) -> int:
    """Return the length, in bytes, that a message of `length` bytes is padded to.

    Short messages hardly grow; `padded_length` has a floor for those.

    Raises:
        ValueError: `length` is negative.
    """
    if length < 0:
        raise ValueError("a length is not negative")
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    return (length + mask) & ~mask


def padded_length(length: int) -> int:
    """Return the length, in bytes, that we pad a message of `length` bytes to: Padmé from `FLOOR` on."""
    return padme(max(length, FLOOR))


def pad(message: bytes) -> bytes:
    """Return a whole Binary HTTP message with zero padding up to `padded_length`."""
    return message.ljust(padded_length(len(message)), b"\0")
