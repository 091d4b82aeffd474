"""base64url (RFC 4648, Section 5), one accepted spelling for each value.

RFC 9577, Section 2.1.1 wants the padding written; peers leave it off. Both are
read; stray bits, stray characters and padding of the wrong length are not.
"""

import binascii
from base64 import urlsafe_b64encode

from tacita.errors import DecodeError

__all__ = ["NotBase64Url", "decode", "encode"]

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


class NotBase64Url(DecodeError):
    """The text is not the base64url form of anything."""

    clause = "RFC 4648, Section 5"


def encode(data: bytes) -> str:
    """Return the padded base64url form of `data`."""
    return urlsafe_b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes that `text` stands for, padded or not.

    Raises:
        NotBase64Url: another alphabet, white space, wrong padding or non-zero stray bits.
    """
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise NotBase64Url("A base64url text has a character outside ASCII.") from None
    if b"+" in raw or b"/" in raw:
        raise NotBase64Url("A base64url text uses the other base64 alphabet.")
    if b"=" not in raw:
        raw += b"=" * (-len(raw) % 4)
    try:
        data = binascii.a2b_base64(raw.translate(_TO_STANDARD), strict_mode=True)
    except binascii.Error:
        raise NotBase64Url("A base64url text has wrong characters or wrong padding.") from None
    # Only the last four characters can have more than one spelling.
    if urlsafe_b64encode(data[-(len(data) % 3 or 3) :]) != raw[-4:]:
        raise NotBase64Url("A base64url text has stray bits behind its last byte.")
    return data
