r"""Challenges and credentials of HTTP authentication (RFC 9110, Sections 11.2 to 11.6).

    WWW-Authenticate: Basic realm="x", PrivateToken challenge="AAI=", max-age=10

A comma separates both the parameters of one challenge and the challenges of one field.
What follows a comma is a parameter when it reads `name = value`, and the next challenge
otherwise. A scheme is followed by one token68 (`Negotiate abc==`), by parameters, or by
nothing.

One thing more than the grammar is read: an unquoted value may end in `=`. RFC 9577 wants
base64url with its padding, and there are peers that write it without quotes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tacita.errors import DecodeError, LimitExceeded

__all__ = [
    "MAX_CHALLENGES",
    "MAX_LENGTH",
    "MAX_PARAMETERS",
    "AuthFieldTooLong",
    "AuthParamsMalformed",
    "Challenge",
    "format_challenge",
    "format_challenges",
    "parse_challenges",
    "parse_credentials",
]

MAX_LENGTH = 16_384
"""Bytes in one field value: twice what Apache takes for a header line, room for a dozen RSA challenges."""

MAX_CHALLENGES = 16
MAX_PARAMETERS = 16

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_END = r"[ \t]*+(?=,|\Z)"
_SEPARATOR = re.compile(r"[ \t,]*+")
_COMMA_OR_END = re.compile(r"[ \t]*+(?:,[ \t,]*+|\Z)")
_PARAMETER = re.compile(rf"({_NAME})[ \t]*+=[ \t]*+(?:({_QUOTED})|({_NAME}=*+)){_END}")
_SIXTY_EIGHT = re.compile(rf"([0-9A-Za-z\-._~+/]++=*+){_END}")
_SCHEME = re.compile(rf"({_NAME})(?:( ++)|{_END})")
_PLAIN = re.compile(rf'({_NAME}) ({_NAME})="([0-9A-Za-z\-._~+/=]*+)"')
"""What nearly all credentials look like. Reading them takes a tenth of the time of the whole grammar."""
_ESCAPE = re.compile(r"\\(.)")
_UNWRITABLE = re.compile(r"[^\t \x21-\x7e\x80-\xff]")


class AuthParamsMalformed(DecodeError):
    """The field is not a list of challenges, or not one set of credentials."""

    clause = "RFC 9110, Section 11"


class AuthFieldTooLong(LimitExceeded):
    """The field is longer, or has more challenges or parameters, than we read."""

    clause = "RFC 9110, Section 5.4"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge or set of credentials. Its values are secrets often enough that it prints none."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token68: str | None = field(default=None, repr=False)

    def is_scheme(self, scheme: str) -> bool:
        """Return whether this is of `scheme`, whose case does not matter (RFC 9110, Section 11.1)."""
        return self.scheme.lower() == scheme.lower()

    def get(self, name: str) -> str | None:
        """Return the value of the parameter `name`, whose case does not matter, if it is there."""
        wanted = name.lower()
        for key, value in self.parameters:
            if key.lower() == wanted:
                return value
        return None


def parse_challenges(value: bytes) -> list[Challenge]:
    """Read the value of a WWW-Authenticate field; join several lines of it by commas first.

    Raises:
        AuthParamsMalformed: not the grammar, or a parameter occurs twice in one challenge.
        AuthFieldTooLong: one of the bounds of this module.
    """
    if len(value) > MAX_LENGTH:
        raise AuthFieldTooLong("An authentication field is longer than 16,384 bytes.")
    text = value.decode("latin-1")
    challenges: list[Challenge] = []
    position = _skip(_SEPARATOR, text, 0)
    while position < len(text):
        if len(challenges) == MAX_CHALLENGES:
            raise AuthFieldTooLong("An authentication field has more than 16 challenges.")
        challenge, position = _challenge(text, position)
        challenges.append(challenge)
    return challenges


def parse_credentials(value: bytes) -> Challenge:
    """Read the value of an Authorization field.

    Raises:
        AuthParamsMalformed: not the grammar, not exactly one set of credentials, or a repeated parameter.
        AuthFieldTooLong: one of the bounds of this module.
    """
    plain = _PLAIN.fullmatch(value.decode("latin-1")) if len(value) <= MAX_LENGTH else None
    if plain is not None:
        return Challenge(plain[1], ((plain[2], plain[3]),))
    found = parse_challenges(value)
    if len(found) != 1 or value.lstrip(b" \t").startswith(b","):
        raise AuthParamsMalformed("An Authorization field does not hold exactly one set of credentials.")
    return found[0]


def format_challenge(challenge: Challenge) -> bytes:
    """Return the field value of one challenge or set of credentials, its parameters quoted.

    Raises:
        ValueError: a name is not a token or a value cannot be quoted (a caller's mistake).
    """
    names = (challenge.scheme, *(name for name, _ in challenge.parameters))
    if not all(re.fullmatch(_NAME, name) for name in names):
        raise ValueError("a scheme or parameter name is not a token")
    if challenge.token68 is not None:
        if challenge.parameters or not re.fullmatch(r"[0-9A-Za-z\-._~+/]+=*", challenge.token68):
            raise ValueError("a challenge carries either a token68 or parameters")
        return f"{challenge.scheme} {challenge.token68}".encode("ascii")
    if any(_UNWRITABLE.search(value) for _, value in challenge.parameters):
        raise ValueError("a parameter value cannot stand in a quoted string")
    written = ", ".join(
        f'{name}="' + re.sub(r'(["\\])', r"\\\1", value) + '"' for name, value in challenge.parameters
    )
    return f"{challenge.scheme} {written}".rstrip(" ").encode("latin-1")


def format_challenges(challenges: Iterable[Challenge]) -> bytes:
    """Return the field value of several challenges. Raises `ValueError` as `format_challenge`."""
    return b", ".join(format_challenge(challenge) for challenge in challenges)


def _challenge(text: str, position: int) -> tuple[Challenge, int]:
    scheme = _SCHEME.match(text, position)
    if scheme is None:
        raise AuthParamsMalformed(
            "An authentication field does not go on with a scheme where one should stand."
        )
    position = scheme.end()
    parameters: list[tuple[str, str]] = []
    if scheme[2] and (found := _PARAMETER.match(text, position)) is None:
        if (token68 := _SIXTY_EIGHT.match(text, position)) is not None:
            return Challenge(scheme[1], (), token68[1]), _skip(_COMMA_OR_END, text, token68.end())
    elif scheme[2]:
        while found is not None:
            if len(parameters) == MAX_PARAMETERS:
                raise AuthFieldTooLong("A challenge has more than 16 parameters.")
            parameters.append((found[1], _value(found)))
            position = _skip(_COMMA_OR_END, text, found.end())
            found = _PARAMETER.match(text, position)
        if len({name.lower() for name, _ in parameters}) != len(parameters):
            raise AuthParamsMalformed("A challenge has a parameter twice.")
        return Challenge(scheme[1], tuple(parameters)), position
    return Challenge(scheme[1]), _skip(_COMMA_OR_END, text, position)


def _value(found: re.Match[str]) -> str:
    quoted: str | None = found[2]
    return found[3] if quoted is None else _ESCAPE.sub(r"\1", quoted[1:-1])


def _skip(separator: re.Pattern[str], text: str, position: int) -> int:
    found = separator.match(text, position)
    if found is None:
        raise AuthParamsMalformed(
            "An authentication field has something other than a comma between its parts."
        )
    return found.end()
