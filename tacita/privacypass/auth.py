"""The HTTP authentication scheme `PrivateToken` (RFC 9577, Sections 2.1.2 and 2.2.2).

    WWW-Authenticate: PrivateToken challenge="...", token-key="...", max-age="10"
    Authorization: PrivateToken token="..."
    Authorization: PrivateToken token="...", extensions="..."

base64url is written padded, as the RFC demands, and read with or without. The parameter
`extensions` comes with tokens that carry public metadata, after the draft that
`tacita.privacypass.extensions` names. Type 0xE5AC has a challenge and a token of its own, and
`rate-limit`, after the draft that `tacita.privacypass.types.arc_codepoints` names, Section 6.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from tacita.errors import DecodeError
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import TokenMalformed, TokenMissing
from tacita.privacypass.extensions import Extensions
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc_codepoints, arc_token
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.wire import base64url
from tacita.wire.authparams import (
    Challenge,
    format_challenge,
    format_challenges,
    parse_challenges,
    parse_credentials,
)

__all__ = [
    "SCHEME",
    "AnyChallenge",
    "AnyToken",
    "PrivateTokenChallenge",
    "format_authorization",
    "format_www_authenticate",
    "parse_authorization",
    "parse_extended_authorization",
    "parse_redemption",
    "parse_www_authenticate",
]

SCHEME = "PrivateToken"

AnyChallenge: TypeAlias = TokenChallenge | CredentialChallenge
"""What any token type is challenged with; `CredentialChallenge` is for type 0xE5AC and nothing else."""

AnyToken: TypeAlias = Token | arc_token.Token
"""What any token type is redeemed with; both have `token_type` and `token_key_id`."""

_DIGITS = 10


@dataclass(frozen=True, slots=True)
class PrivateTokenChallenge:
    """One challenge of the scheme.

    `token_key` is the issuer's public key as its token type encodes it, and `max_age` the seconds for
    which the origin takes tokens for this challenge; both are optional. `rate_limit` goes with type
    0xE5AC: how many presentations of a credential the origin takes. One that differs from
    client to client divides them: take it from where everybody gets the same bytes.
    """

    challenge: AnyChallenge
    token_key: bytes | None = None
    max_age: int | None = None
    rate_limit: int | None = None


def format_www_authenticate(challenges: Iterable[PrivateTokenChallenge]) -> bytes:
    """Return the value of a WWW-Authenticate field, preferred challenge first."""
    return format_challenges(Challenge(SCHEME, tuple(_parameters(challenge))) for challenge in challenges)


def parse_www_authenticate(value: bytes, *, token_types: Collection[int]) -> list[PrivateTokenChallenge]:
    """Read the value of a WWW-Authenticate field and return what of it a client may answer, in order.

    Left out, as RFC 9577, Sections 2.1.1 and 2.1.3 say, are other schemes, token types that are not
    in `token_types` (greased ones among them), and challenges that are not well-formed. Parameters
    that nobody defined are ignored. Whether the origin may send the challenge is for
    `TokenChallenge.require_origin` to say.

    Raises:
        AuthParamsMalformed: the field itself is not a list of challenges.
        AuthFieldTooLong: the field is beyond the bounds of `tacita.wire.authparams`.
    """
    found = []
    for challenge in parse_challenges(value):
        if challenge.is_scheme(SCHEME):
            try:
                found.append(_read(challenge, token_types))
            except DecodeError:
                continue
    return [challenge for challenge in found if challenge is not None]


def format_authorization(token: AnyToken, extensions: Extensions | None = None) -> bytes:
    """Return the value of an Authorization field that redeems `token`, with the extensions that it has."""
    parameters = [("token", base64url.encode(token.encode()))]
    if extensions is not None:
        parameters.append(("extensions", base64url.encode(extensions.encode())))
    return format_challenge(Challenge(SCHEME, tuple(parameters)))


def parse_authorization(value: bytes) -> Token:
    """Read the value of an Authorization field. The token is not verified by this; extensions are ignored.

    Raises:
        TokenMissing: another scheme, or no parameter `token`.
        TokenMalformed: the parameter is not a token of a type that we know.
        AuthParamsMalformed, AuthFieldTooLong: not the credentials of any scheme.
    """
    return _default(_encoded(parse_credentials(value)))


def parse_extended_authorization(value: bytes) -> tuple[Token, Extensions | None]:
    """Read the value of an Authorization field with the extensions of the token, if there are any.

    Neither is verified by this, nor that they belong together.

    Raises:
        TokenMissing, TokenMalformed, AuthParamsMalformed, AuthFieldTooLong: as `parse_authorization`.
        TokenMalformed: the extensions are not ones, too.
    """
    credentials = parse_credentials(value)
    return _default(_encoded(credentials)), _extensions(credentials)


def parse_redemption(value: bytes) -> tuple[AnyToken, Extensions | None]:
    """Read the value of an Authorization field with a token of any type that there is here.

    As `parse_extended_authorization`, and tokens of type 0xE5AC are `types.arc_token.Token`. Raises
    the same.
    """
    credentials = parse_credentials(value)
    encoded = _encoded(credentials)
    of_credential = int.from_bytes(encoded[:2], "big") == arc_codepoints.TOKEN_TYPE
    token = _read_token(arc_token.Token, encoded) if of_credential else _default(encoded)
    return token, _extensions(credentials)


_T = TypeVar("_T", Token, arc_token.Token)


def _read_token(kind: type[_T], encoded: bytes) -> _T:
    try:
        return kind.decode(encoded)
    except DecodeError:
        raise TokenMalformed("The token is not one of a supported type; get another.") from None


def _default(encoded: bytes) -> Token:
    return _read_token(Token, encoded)


def _encoded(credentials: Challenge) -> bytes:
    text = credentials.get("token") if credentials.is_scheme(SCHEME) else None
    if text is None:
        raise TokenMissing("The request carries no PrivateToken; answer the challenge with one.")
    try:
        return base64url.decode(text)
    except DecodeError:
        raise TokenMalformed("The token is not one of a supported type; get another.") from None


def _extensions(credentials: Challenge) -> Extensions | None:
    text = credentials.get("extensions")
    if text is None:
        return None
    try:
        return Extensions.decode(base64url.decode(text))
    except DecodeError:
        raise TokenMalformed("The extensions of a token cannot be read; get another token.") from None


def _parameters(challenge: PrivateTokenChallenge) -> Iterable[tuple[str, str]]:
    yield "challenge", base64url.encode(challenge.challenge.encode())
    if challenge.token_key is not None:
        yield "token-key", base64url.encode(challenge.token_key)
    if challenge.max_age is not None:
        yield "max-age", str(challenge.max_age)
    if challenge.rate_limit is not None:
        yield "rate-limit", str(challenge.rate_limit)


def _read(challenge: Challenge, token_types: Collection[int]) -> PrivateTokenChallenge | None:
    encoded = challenge.get("challenge")
    if encoded is None:
        return None
    structure = base64url.decode(encoded)
    token_type = int.from_bytes(structure[:2], "big")
    if token_type not in token_types:
        return None
    of_credential = token_type == arc_codepoints.TOKEN_TYPE
    key, age = challenge.get("token-key"), challenge.get("max-age")
    limit = challenge.get("rate-limit") if of_credential else None
    if not all(one is None or _is_number(one) for one in (age, limit)):
        return None
    return PrivateTokenChallenge(
        (CredentialChallenge if of_credential else TokenChallenge).decode(structure),
        None if key is None else base64url.decode(key),
        None if age is None else int(age),
        None if limit is None else int(limit),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
