"""Token type 0xE5AC: anonymous rate-limited credentials over P-256. EXPERIMENTAL: see docs/experimental.md.

    key = load_public_key(token_key.public_key)
    token_request, pending = request(challenge.encode(), key)
    token_response, = issue([token_request], private_key)           # on the other side
    credential = finalize(pending, token_response)
    token = present(credential, challenge, limit)                   # up to `limit` times
    store(credential.encode())                                      # before the token leaves
    presented = verify(token, private_key, challenge, limit)        # where it is redeemed
    await spent.reserve(presented.token_key_id, presented.spent_id, expires=…)   # only then does it count

As the other modules of token types, but `finalize` gives a credential instead of a token, and
`present` makes tokens of it. Only who has the private key can verify. What a gateway needs is

    verify(token: Token, key: PrivateKey, challenge: CredentialChallenge, limit: int) -> Presented
    Presented.token_key_id, Presented.spent_id                      # 32 bytes each, for `SpentStore`

with `Token` as `tacita.privacypass.auth.parse_redemption` reads it. Challenges are
`types.arc_challenge.CredentialChallenge`; tokens have a structure of their own.

Follows the draft that `DRAFT` names; the cryptography is `tacita.crypto.arc`.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tacita.crypto import arc
from tacita.crypto.arc import ClientSecrets, CredentialRequest, CredentialResponse, PresentationState
from tacita.crypto.arc.issuance import REQUEST_LENGTH, RESPONSE_LENGTH
from tacita.crypto.groups.group import RandomBytes
from tacita.errors import DecodeError
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
    TokenKeyMalformed,
)
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.privacypass.types.arc_codepoints import (
    DRAFT,
    REQUEST_MEDIA_TYPE,
    RESPONSE_MEDIA_TYPE,
    TOKEN_TYPE,
)
from tacita.privacypass.types.arc_token import Presented, Token
from tacita.wire.cursor import Cursor, opaque16

__all__ = [
    "DRAFT",
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "TOKEN_TYPE",
    "Credential",
    "Pending",
    "Presented",
    "PrivateKey",
    "PublicKey",
    "Token",
    "TokenRequest",
    "TokenResponse",
    "finalize",
    "issue",
    "load_private_key",
    "load_public_key",
    "present",
    "request",
    "require_fit",
    "verify",
]

_TYPE = TOKEN_TYPE.to_bytes(2, "big")
_PUBLIC_KEY_LENGTH = 3 * 33
_CREDENTIAL_LENGTH = 32 + 3 * 33


class PublicKey:
    """A public key as published: 99 bytes, their SHA-256, and the key itself. Immutable."""

    __slots__ = ("encoding", "key", "key_id")

    def __init__(self, encoding: bytes) -> None:
        """Read three elements. Raises `TokenKeyMalformed`."""
        try:
            self.key = arc.PublicKey.from_bytes(encoding)
        except DecodeError:
            raise TokenKeyMalformed("A public key is not one of token type 0xE5AC.") from None
        self.encoding = encoding
        self.key_id = hashlib.sha256(encoding).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.encoding == other.encoding

    def __hash__(self) -> int:
        return hash(self.key_id)


class PrivateKey:
    """A private key with its public one: issues, and verifies. Prints as nothing but its class."""

    __slots__ = ("key", "public_key")

    def __init__(self, key: arc.PrivateKey) -> None:
        """Take a key; `generate` and `from_bytes` make one."""
        self.key = key
        self.public_key = PublicKey(key.public_key.to_bytes())

    @classmethod
    def generate(cls, *, rng: RandomBytes = os.urandom) -> Self:
        """Return a new key (Section 5 of the draft)."""
        return cls(arc.PrivateKey.generate(rng=rng))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises `TokenKeyMalformed`."""
        try:
            return cls(arc.PrivateKey.from_bytes(data))
        except DecodeError:
            raise TokenKeyMalformed("A private key is not one of token type 0xE5AC.") from None

    def to_bytes(self) -> bytes:
        """Return 128 bytes. For a file of mode 0600 and nowhere else."""
        return self.key.to_bytes()


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """CredentialRequest: one byte of the key id and the client's request (Section 7.1 of the draft)."""

    truncated_token_key_id: int
    request: CredentialRequest = field(repr=False)

    def encode(self) -> bytes:
        """Return the 229 bytes of the structure."""
        return _TYPE + bytes((self.truncated_token_key_id,)) + self.request.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure; `require_fit` looks at the proof in it.

        Raises:
            RequestMalformed: another token type or length, or a part that is none of the group.
        """
        if len(data) != 3 + REQUEST_LENGTH or data[:2] != _TYPE:
            raise RequestMalformed("A credential request is not one of type 0xE5AC with 229 bytes.")
        try:
            return cls(data[2], CredentialRequest.decode(data[3:]))
        except DecodeError:
            raise RequestMalformed("A part of a credential request is no element or scalar.") from None


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """CredentialResponse, as bytes. Whether they are any good is for `finalize` to say."""

    encoded_response: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 454 bytes of the structure."""
        return self.encoded_response

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            ResponseMalformed: another length.
        """
        if len(data) != RESPONSE_LENGTH:
            raise ResponseMalformed("A credential response is not 454 bytes long.")
        return cls(data)


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """What the client keeps until the answer comes."""

    key: PublicKey
    request_context: bytes = field(repr=False)
    request: CredentialRequest = field(repr=False)
    secrets: ClientSecrets = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """What the client keeps to present, with the nonces that it has shown.

    There must be one of it: two copies in use, or an old one restored, may present a nonce twice.
    """

    key: PublicKey
    request_context: bytes = field(repr=False)
    credential: arc.Credential = field(repr=False)
    state: PresentationState = field(repr=False, default_factory=PresentationState)

    def fits(self, challenge: CredentialChallenge) -> bool:
        """Return whether it is for this issuer, origin and credential context."""
        return challenge.request_context(self.key.key_id) == self.request_context

    def remaining(self, challenge: CredentialChallenge, limit: int) -> int:
        """Return how many tokens for `challenge` are left under the origin's `limit`."""
        return self.state.remaining(challenge.presentation_context(self.key.key_id), limit)

    def encode(self) -> bytes:
        """Return credential and nonces, in a form of our own. For a file of mode 0600 and nowhere else."""
        return (
            self.key.encoding
            + opaque16(self.request_context)
            + self.credential.encode()
            + self.state.encode()
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote. Raises a `DecodeError`."""
        cursor = Cursor(data)
        return cls(
            PublicKey(cursor.take(_PUBLIC_KEY_LENGTH)),
            cursor.opaque16(),
            arc.Credential.decode(cursor.take(_CREDENTIAL_LENGTH)),
            PresentationState.decode(cursor.rest()),
        )


def load_public_key(encoded: bytes) -> PublicKey:
    """Read a token key of a directory or challenge. Raises `TokenKeyMalformed`."""
    return PublicKey(encoded)


def load_private_key(encoded: bytes) -> PrivateKey:
    """Read the four scalars of a private key. Raises `TokenKeyMalformed`."""
    return PrivateKey.from_bytes(encoded)


def request(
    challenge: bytes, key: PublicKey, *, rng: RandomBytes = os.urandom
) -> tuple[TokenRequest, Pending]:
    """Ask for a credential for `challenge`, an encoded CredentialChallenge (Section 7.1 of the draft).

    Draws seven scalars.

    Raises:
        ChallengeMalformed, DecodeError: the challenge is not one.
    """
    context = CredentialChallenge.decode(challenge).request_context(key.key_id)
    asked, secrets = arc.request_credential(context, rng=rng)
    return TokenRequest(key.key_id[-1], asked), Pending(key, context, asked, secrets)


def issue(
    requests: Sequence[TokenRequest], key: PrivateKey, *, rng: RandomBytes = os.urandom
) -> list[TokenResponse]:
    """Answer `requests`, all of them for `key`, in order (Section 7.2 of the draft).

    Draws eight scalars for each.

    Raises:
        RequestMalformed: a request names another key, or its proof does not hold.
    """
    for one in requests:
        _require_key(one, key.public_key)
    try:
        return [TokenResponse(arc.respond(key.key, one.request, rng=rng).encode()) for one in requests]
    except arc.InvalidProof:
        raise RequestMalformed("The proof of a credential request does not hold.") from None


def require_fit(token_request: TokenRequest, key: PublicKey) -> TokenRequest:
    """Return `token_request` if `key` can answer it.

    Raises:
        RequestMalformed: it names another key, or its proof does not hold.
    """
    _require_key(token_request, key)
    try:
        arc.require_proof(token_request.request)
    except arc.InvalidProof:
        raise RequestMalformed("The proof of a credential request does not hold.") from None
    return token_request


def finalize(pending: Pending, response: TokenResponse) -> Credential:
    """Check the answer and return the credential (Section 7.3 of the draft).

    Raises:
        IssuerMisbehaved: the answer was not made with the published key. It may be a mark to know the
            client by: keep nothing of it.
    """
    try:
        answer = CredentialResponse.decode(response.encoded_response)
        credential = arc.finalize(pending.secrets, pending.key.key, pending.request, answer)
    except (DecodeError, arc.InvalidProof):
        raise IssuerMisbehaved("The issuer's proof does not hold; the credential was dropped.") from None
    return Credential(pending.key, pending.request_context, credential)


def present(
    credential: Credential, challenge: CredentialChallenge, limit: int, *, rng: RandomBytes = os.urandom
) -> Token:
    """Make the next token for `challenge` and the origin's `limit` (Section 8.1 of the draft).

    Store `credential.encode()` before the token leaves. Draws 32 bytes for the nonce, and scalars.

    Raises:
        ForeignToken: the credential is for another issuer, origin or credential context; get one for this.
        LimitReached: it was presented as often as allowed for this challenge.
        LimitOutOfRange: no proof can be made for such a limit.
    """
    key_id = credential.key.key_id
    if not credential.fits(challenge):
        raise ForeignToken("The credential is for another challenge; get one for this one.")
    context = challenge.presentation_context(key_id)
    nonce = credential.state.take(context, limit, rng=rng)
    presentation = arc.present(credential.credential, context, nonce, limit, rng=rng)
    return Token(nonce, challenge.digest(), key_id, presentation.encode())


def verify(token: Token, key: PrivateKey, challenge: CredentialChallenge, limit: int) -> Presented:
    """Return what `token` presents, if it is one under `key` for `challenge` (Section 8.2 of the draft).

    Raises:
        ForeignToken: it names another key or challenge.
        TokenInvalid: its proof does not hold, or was made for another limit.
        LimitOutOfRange: the limit is not from 2 to 2^32 - 1 (a configuration's mistake).
    """
    key_id = key.public_key.key_id
    if token.issuer_key_id != key_id:
        raise ForeignToken("The token is of another issuer key; get one for the challenge.")
    if token.challenge_digest != challenge.digest():
        raise ForeignToken("The token is for another challenge; get one for this one.")
    try:
        presentation = arc.verify(
            key.key,
            challenge.request_context(key_id),
            challenge.presentation_context(key_id),
            arc.Presentation.decode(token.presentation),
            limit,
        )
    except (DecodeError, arc.InvalidProof):
        raise TokenInvalid("The token does not verify; get another.") from None
    return Presented(token, presentation.tag.encoding)


def _require_key(token_request: TokenRequest, key: PublicKey) -> None:
    if token_request.truncated_token_key_id != key.key_id[-1]:
        raise RequestMalformed("A credential request names another key.")
