"""Challenges, tokens, extensions, directories, and the header fields that carry them."""

from collections.abc import Iterator

from support.fuzzing import canonical, pick, shared_values, total

from tacita.privacypass import auth
from tacita.privacypass.auth import PrivateTokenChallenge
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.extensions import ExpirationTimestamp, Extension, Extensions
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.privacypass.types.arc_token import Token as ArcToken

_TYPES = (0x0001, 0x0002, 0x0005, 0xDA7A, 0xE5AC)
_CHALLENGE = TokenChallenge(2, "issuer.example", b"", ("origin.example", "b.example:8443"))
_TOKEN = Token(2, bytes(32), bytes(32), bytes(32), bytes(256))


def _challenge(data: bytes) -> None:
    canonical(TokenChallenge.decode, TokenChallenge.encode, data)


def _token(data: bytes) -> None:
    canonical(Token.decode, Token.encode, data)


def _arc_challenge(data: bytes) -> None:
    canonical(CredentialChallenge.decode, CredentialChallenge.encode, data)


def _arc_token(data: bytes) -> None:
    canonical(ArcToken.decode, ArcToken.encode, data)


def _arc_request(data: bytes) -> None:
    canonical(arc.TokenRequest.decode, arc.TokenRequest.encode, data)


def _arc_response(data: bytes) -> None:
    canonical(arc.TokenResponse.decode, arc.TokenResponse.encode, data)


def _extensions(data: bytes) -> None:
    canonical(Extensions.decode, Extensions.encode, data)


def _expiration(data: bytes) -> None:
    canonical(ExpirationTimestamp.decode, ExpirationTimestamp.encode, data)


def _asked(data: bytes) -> None:
    found = total(lambda value: auth.parse_www_authenticate(value, token_types=_TYPES), data)
    if found:
        written = auth.format_www_authenticate(found)
        assert auth.parse_www_authenticate(written, token_types=_TYPES) == found


def _shown(data: bytes) -> None:
    found = total(auth.parse_redemption, data)
    if found is not None:
        assert auth.parse_redemption(auth.format_authorization(*found)) == found


def _directory(data: bytes) -> None:
    found = total(IssuerDirectory.from_json, data)
    if found is not None:
        assert IssuerDirectory.from_json(found.to_json()) == found


_CHOICES = (
    _challenge,
    _token,
    _arc_challenge,
    _arc_token,
    _arc_request,
    _arc_response,
    _extensions,
    _expiration,
    _asked,
    _shown,
    _directory,
)


def one(data: bytes) -> None:
    """Any bytes are a value or an error of the tree, and structures have one encoding."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    yield b"\0" + _CHALLENGE.encode()
    yield b"\0" + TokenChallenge(2, "issuer.example", bytes(32), ()).encode()
    yield b"\1" + _TOKEN.encode()
    yield b"\2" + _CHALLENGE.encode() + bytes(40)
    yield b"\6" + Extensions((Extension(0x0001, bytes(16)), Extension(0x0002, b""))).encode()
    yield b"\7" + bytes(16)
    yield b"\10" + auth.format_www_authenticate([PrivateTokenChallenge(_CHALLENGE, bytes(30))])
    yield b"\11" + auth.format_authorization(_TOKEN)
    keys = (TokenKey(2, b"key", 1_700_000_000), TokenKey(1, b"key", None))
    yield b"\12" + IssuerDirectory("/token-request", keys).to_json()
    for value in shared_values(
        "privacypass/pat-go-token-test-vectors.json", "privacypass/arc-allVectors.json"
    ):
        for choice in range(6):
            yield bytes((choice,)) + value
