"""Extensions: public metadata that client, issuer and origin all see, and the one that we use, expiry.

    extensions = Extensions((ExpirationTimestamp(3600, 1_688_583_600).extension(),))
    extensions.encode()                                 # is signed as it is, and sent along

`ExpirationPolicy` is the rule that an issuer's clients and the issuer share: whatever stands
in an extension splits the clients, so all of them have to write the same thing at a time.

Follows the drafts that `EXTENSIONS_DRAFT` and `EXPIRATION_DRAFT` name; the code points stand beside them.
"""

from dataclasses import dataclass, field
from typing import Self

from tacita.privacypass.errors import ExtensionsMalformed, ExtensionsRefused, TokenExpired
from tacita.wire.cursor import Cursor, TrailingBytes, opaque16
from tacita.wire.varint import Truncated

__all__ = [
    "EXPIRATION",
    "EXPIRATION_DRAFT",
    "EXTENSIONS_DRAFT",
    "ExpirationPolicy",
    "ExpirationTimestamp",
    "Extension",
    "Extensions",
]

EXTENSIONS_DRAFT = "draft-ietf-privacypass-auth-scheme-extensions-03"
EXPIRATION_DRAFT = "draft-ietf-privacypass-expiration-extension-00"

EXPIRATION = 0x0001
"""The ExtensionType of an ExpirationTimestamp."""

_MAX = 0xFFFF
_MAX_TIME = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: its type, and bytes whose meaning the type decides. At most 65,535 of each."""

    extension_type: int
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.extension_type <= _MAX or len(self.data) > _MAX:
            raise ExtensionsMalformed("An extension has a type or length that two bytes cannot hold.")

    def encode(self) -> bytes:
        """Return the structure."""
        return self.extension_type.to_bytes(2, "big") + opaque16(self.data)


@dataclass(frozen=True, slots=True)
class Extensions:
    """The whole list, in the order of the types; a type may stand there more than once.

    Raises `ExtensionsMalformed` for another order, or for more than two bytes can give the length of.
    """

    extensions: tuple[Extension, ...] = ()

    def __post_init__(self) -> None:
        types = [extension.extension_type for extension in self.extensions]
        if types != sorted(types):
            raise ExtensionsMalformed("Extensions do not stand in the order of their types.")
        if sum(4 + len(extension.data) for extension in self.extensions) > _MAX:
            raise ExtensionsMalformed("Extensions are longer than 65,535 bytes together.")

    def encode(self) -> bytes:
        """Return the bytes that are signed, and sent."""
        return opaque16(b"".join(extension.encode() for extension in self.extensions))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure. What types mean is not looked at.

        Raises:
            ExtensionsMalformed: truncated, something follows, or the types are out of order.
        """
        try:
            outer = Cursor(data)
            inner = Cursor(outer.opaque16())
            outer.finish()
            found = []
            while inner.remaining:
                found.append(Extension(inner.u16(), inner.opaque16()))
        except (Truncated, TrailingBytes):
            raise ExtensionsMalformed("Extensions are truncated, or something follows them.") from None
        return cls(tuple(found))

    def expirations(self) -> list["ExpirationTimestamp"]:
        """Return each expiry among them. Raises `ExtensionsMalformed` for one that is none."""
        return [
            ExpirationTimestamp.decode(extension.data)
            for extension in self.extensions
            if extension.extension_type == EXPIRATION
        ]

    def require_unexpired(self, now: float) -> Self:
        """Return these extensions unless they say that the token has expired by `now` (UNIX seconds).

        Raises:
            TokenExpired: it has.
            ExtensionsMalformed: an expiry is not one.
        """
        if any(expiration.timestamp <= now for expiration in self.expirations()):
            raise TokenExpired("The token has expired; get another.")
        return self


@dataclass(frozen=True, slots=True)
class ExpirationTimestamp:
    """When a token expires: `timestamp` in UNIX seconds, a multiple of `precision` seconds.

    Raises `ExtensionsMalformed` for a timestamp that is not: its low digits would tell clients apart.
    """

    precision: int
    timestamp: int

    def __post_init__(self) -> None:
        if not 1 <= self.precision <= _MAX_TIME or not 0 <= self.timestamp <= _MAX_TIME:
            raise ExtensionsMalformed(
                "An expiry has a time or precision that eight bytes cannot hold, or none."
            )
        if self.timestamp % self.precision:
            raise ExtensionsMalformed("An expiry is not rounded to the precision that it states.")

    def encode(self) -> bytes:
        """Return the 16 bytes of the structure."""
        return self.precision.to_bytes(8, "big") + self.timestamp.to_bytes(8, "big")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure. Raises `ExtensionsMalformed`."""
        if len(data) != 16:
            raise ExtensionsMalformed("An expiry is not 16 bytes long.")
        return cls(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"))

    def extension(self) -> Extension:
        """Return it as an extension."""
        return Extension(EXPIRATION, self.encode())


@dataclass(frozen=True, slots=True)
class ExpirationPolicy:
    """An issuer's tokens expire at most `lifetime` seconds ahead, at a multiple of `precision` seconds.

    `leeway` is how many seconds a client's clock may be ahead of the issuer's. Raises `ValueError`
    for a lifetime that is shorter than the precision, in which no token could be had.
    """

    precision: int
    lifetime: int
    leeway: int = 60

    def __post_init__(self) -> None:
        if not 1 <= self.precision <= self.lifetime or self.leeway < 0:
            raise ValueError("a token's lifetime is at least one step of its precision")

    def choose(self, now: float) -> Extensions:
        """Return what every client asks for at `now` (UNIX seconds): the latest expiry that is permitted."""
        latest = (int(now) + self.lifetime) // self.precision * self.precision
        return Extensions((ExpirationTimestamp(self.precision, latest).extension(),))

    def require_permitted(self, extensions: Extensions, now: float) -> Extensions:
        """Return `extensions` if they are one expiry of this policy and nothing else.

        Raises:
            ExtensionsRefused: they are not.
        """
        try:
            expirations = extensions.expirations()
        except ExtensionsMalformed:
            expirations = []
        if len(expirations) != 1 or len(extensions.extensions) != 1:
            raise ExtensionsRefused("A token here has one extension, which is its expiry; ask for that.")
        (expiration,) = expirations
        ahead = expiration.timestamp - now
        if expiration.precision != self.precision or not 0 < ahead <= self.lifetime + self.leeway:
            raise ExtensionsRefused("The issuer does not give tokens with this expiry; compute it anew.")
        return extensions
