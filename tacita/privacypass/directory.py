"""The issuer directory: where to ask for tokens, and under which keys (RFC 9578, Section 4).

It lives at `WELL_KNOWN` on the issuer, and clients read it through the relay's mirror,
the same bytes for everybody; so `to_json` writes one value in one way only.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Self

from tacita.privacypass.errors import DirectoryMalformed, NoUsableKey
from tacita.wire import base64url

__all__ = ["MAX_KEYS", "MAX_SIZE", "MEDIA_TYPE", "WELL_KNOWN", "IssuerDirectory", "TokenKey"]

MEDIA_TYPE = "application/private-token-issuer-directory"
WELL_KNOWN = "/.well-known/private-token-issuer-directory"

MAX_SIZE = 65_536
"""Bytes of a directory that are read. Three RSA keys, all that an issuer has alive, take under 2,000."""

MAX_KEYS = 64
"""Keys in a directory, of types that we do not know included."""

_MAX_KEY = 4096
_MAX_TIME = (1 << 53) - 1  # RFC 8259, Section 6: what every JSON reader keeps exactly
_URI = re.compile(r"[!#-;=?-\[\]_a-z~]{1,2048}")  # the characters of RFC 3986, Section 2


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One public key: its token type, its bytes as that type encodes it, and when to begin using it.

    `not_before` is a UNIX time. Raises `DirectoryMalformed` when a value is out of range.
    """

    token_type: int
    public_key: bytes
    not_before: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.token_type <= 0xFFFF or not 0 < len(self.public_key) <= _MAX_KEY:
            raise DirectoryMalformed(
                "A token key has no possible type, no bytes, or more than 4,096 of them."
            )
        if self.not_before is not None and not 0 <= self.not_before <= _MAX_TIME:
            raise DirectoryMalformed("The not-before of a token key is not a UNIX time.")


@dataclass(frozen=True, slots=True)
class IssuerDirectory:
    """A directory; its keys stand in the order in which the issuer prefers them.

    Raises `DirectoryMalformed` when a key is listed twice, there are more than `MAX_KEYS`, or the
    request URI (absolute, or relative to the directory) has characters that no URI has.
    """

    issuer_request_uri: str
    token_keys: tuple[TokenKey, ...]

    def __post_init__(self) -> None:
        if _URI.fullmatch(self.issuer_request_uri) is None:
            raise DirectoryMalformed("The issuer-request-uri of a directory is not a URI.")
        if len(self.token_keys) > MAX_KEYS:
            raise DirectoryMalformed("A directory lists more than 64 keys.")
        if len({(key.token_type, key.public_key) for key in self.token_keys}) != len(self.token_keys):
            raise DirectoryMalformed("A directory lists a key twice.")

    def current_key(self, token_type: int, now: float) -> TokenKey:
        """Return the first key of `token_type` that may be used at UNIX time `now`.

        Raises:
            NoUsableKey: there is none of this type, or none yet.
        """
        for key in self.token_keys:
            if key.token_type == token_type and (key.not_before is None or key.not_before <= now):
                return key
        raise NoUsableKey(
            "The issuer directory has no key of this type that may be used now; fetch it again."
        )

    def to_json(self) -> bytes:
        """Return the directory as JSON, the same bytes for the same value."""
        keys: list[dict[str, int | str]] = []
        for key in self.token_keys:
            entry: dict[str, int | str] = {
                "token-type": key.token_type,
                "token-key": base64url.encode(key.public_key),
            }
            if key.not_before is not None:
                entry["not-before"] = key.not_before
            keys.append(entry)
        document = {"issuer-request-uri": self.issuer_request_uri, "token-keys": keys}
        return json.dumps(document, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a directory. Members that nobody defined are ignored.

        Raises:
            DirectoryMalformed: not such a JSON object, a member or key twice, or beyond a bound.
        """
        if len(data) > MAX_SIZE:
            raise DirectoryMalformed("A directory is longer than 65,536 bytes.")
        try:
            document = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise DirectoryMalformed("A directory is not JSON with each member once.") from None
        keys = _member(document, "token-keys", list)
        return cls(
            _member(document, "issuer-request-uri", str),
            tuple(_token_key(entry) for entry in keys),
        )


def _token_key(entry: object) -> TokenKey:
    token_type = _member(entry, "token-type", int)
    try:
        public_key = base64url.decode(_member(entry, "token-key", str))
    except base64url.NotBase64Url:
        raise DirectoryMalformed("A token key of a directory is not base64url.") from None
    not_before = None
    if isinstance(entry, dict) and "not-before" in entry:
        not_before = _member(entry, "not-before", int)
    return TokenKey(token_type, public_key, not_before)


def _member(container: object, name: str, kind: type[Any]) -> Any:
    value = container.get(name) if isinstance(container, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DirectoryMalformed(f"The member {name} of a directory is missing or has the wrong JSON type.")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DirectoryMalformed("A JSON object of a directory has a member twice.")
    return members


def _refuse(_: str) -> object:
    raise ValueError("NaN and the infinities are not JSON")
