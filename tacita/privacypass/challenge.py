"""TokenChallenge: what an origin wants a token for (RFC 9577, Section 2.1.1).

There is one encoding of each challenge, and tokens are bound to the SHA-256 of it.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from tacita.privacypass.errors import ChallengeMalformed, OriginNotListed
from tacita.wire.cursor import Cursor, opaque8, opaque16

__all__ = ["CONTEXT_LENGTH", "MAX_ORIGINS", "TokenChallenge"]

CONTEXT_LENGTH = 32
"""Bytes in a redemption context that is not empty."""

MAX_ORIGINS = 64
"""The format has room for thousands; a client compares its own origin with each."""

# RFC 9577, Section 2.1.1.1: host and optional port as in RFC 3986, Section 3.2, without userinfo. Of
# reg-name only what a DNS name can hold (a comma would separate origins), at most 253 characters.
_SERVER_NAME = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._~\-]{1,253})(?::[0-9]{1,5})?")
_DEFAULT_PORT = ":443"


@dataclass(frozen=True, slots=True)
class TokenChallenge:
    """The default challenge structure, which all token types here use.

    `issuer_name` and each of `origin_info` are server names (`host` or `host:port`), the
    `redemption_context` is empty or 32 bytes. Raises `ChallengeMalformed` for anything else.
    """

    token_type: int
    issuer_name: str
    redemption_context: bytes = b""
    origin_info: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.token_type <= 0xFFFF:
            raise ChallengeMalformed("A challenge has a token type that two bytes cannot hold.")
        if len(self.redemption_context) not in (0, CONTEXT_LENGTH):
            raise ChallengeMalformed(
                "The redemption context of a challenge is neither empty nor 32 bytes long."
            )
        if len(self.origin_info) > MAX_ORIGINS:
            raise ChallengeMalformed("A challenge lists more than 64 origins.")
        for name in (self.issuer_name, *self.origin_info):
            if _SERVER_NAME.fullmatch(name) is None:
                raise ChallengeMalformed(
                    "An issuer or origin name of a challenge is not a host with optional port."
                )

    def encode(self) -> bytes:
        """Return the bytes that tokens are bound to."""
        return (
            self.token_type.to_bytes(2, "big")
            + opaque16(self.issuer_name.encode("ascii"))
            + opaque8(self.redemption_context)
            + opaque16(",".join(self.origin_info).encode("ascii"))
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a challenge.

        Raises:
            ChallengeMalformed: names or context are not allowed.
            DecodeError: truncated, or something follows.
        """
        cursor = Cursor(data)
        token_type = cursor.u16()
        issuer_name = cursor.opaque16()
        redemption_context = cursor.opaque8()
        origin_info = cursor.opaque16()
        cursor.finish()
        # Latin-1 takes any byte; those outside ASCII are refused with the names they stand in.
        origins = tuple(origin_info.decode("latin-1").split(",")) if origin_info else ()
        return cls(token_type, issuer_name.decode("latin-1"), redemption_context, origins)

    def digest(self) -> bytes:
        """Return the 32-byte `challenge_digest` of tokens for this challenge (RFC 9577, Section 2.2.1)."""
        return hashlib.sha256(self.encode()).digest()

    def require_origin(self, authority: str) -> Self:
        """Return this challenge if `authority` (`host` or `host:port`) may send it (RFC 9577, Section 2.1.3).

        Raises:
            OriginNotListed: the challenge lists origins, and this is none of them.
        """
        if self.origin_info and _fold(authority) not in map(_fold, self.origin_info):
            raise OriginNotListed("A challenge came from an origin that it does not list; do not answer it.")
        return self


def _fold(name: str) -> str:
    return name.lower().removesuffix(_DEFAULT_PORT)
