"""What the token types on VOPRF have in common (RFC 9578, Section 5).

`types.voprf_p384` and `types.voprf_ristretto255` name these things for one suite each, as
`types.blind_rsa` has them. Only who has the private key can verify such a token.

A client may ask for several tokens under one proof; that is `tacita.privacypass.amortized`,
which starts and completes its tokens here, too.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from tacita.crypto import voprf
from tacita.crypto.groups.errors import ElementMalformed, ScalarMalformed
from tacita.crypto.groups.group import Element, RandomBytes
from tacita.crypto.voprf import Blinded, InvalidProof, Suite
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
    TokenKeyMalformed,
)
from tacita.privacypass.token import NONCE_LENGTH, Token, authenticator_input

__all__ = [
    "Pending",
    "PrivateKey",
    "PublicKey",
    "TokenRequest",
    "TokenResponse",
    "TokenType",
    "Tokens",
    "complete",
    "start",
]

_INFO = b"PrivacyPass"


class TokenType:
    """What makes a token type out of the classes below: its number and its suite."""

    __slots__ = ()

    token_type: ClassVar[int]
    suite: ClassVar[Suite[Any, Any]]


class PublicKey(TokenType):
    """A public key as published: the encoded element, its SHA-256, and the key itself.

    Immutable; two of one token type are equal when their encodings are.
    """

    __slots__ = ("encoding", "key", "key_id")

    def __init__(self, encoding: bytes) -> None:
        """Read an element of the suite's group. Raises `TokenKeyMalformed`."""
        try:
            self.key: voprf.PublicKey[Any, Any] = voprf.PublicKey.from_bytes(self.suite, encoding)
        except ElementMalformed:
            raise TokenKeyMalformed("A public key is not an element of the group of its type.") from None
        self.encoding = encoding
        self.key_id = hashlib.sha256(encoding).digest()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, PublicKey) and self.encoding == other.encoding

    def __hash__(self) -> int:
        return hash(self.key_id)


class PrivateKey(TokenType):
    """A private key with its public one: issues, and verifies. Prints as nothing but its class."""

    __slots__ = ("key", "public_key")

    public_key_class: ClassVar[type[PublicKey]]

    def __init__(self, key: "voprf.PrivateKey[Any, Any]") -> None:
        """Take a key of this type's suite; `generate`, `derive` and `from_bytes` make one."""
        self.key = key
        self.public_key = self.public_key_class(key.public_key.to_bytes())

    @classmethod
    def generate(cls, *, rng: RandomBytes = os.urandom) -> Self:
        """Return a new key, derived from a random seed as RFC 9578, Section 5.5 recommends."""
        return cls.derive(rng(cls.suite.group.scalar_length))

    @classmethod
    def derive(cls, seed: bytes) -> Self:
        """Return the key of a secret `seed`, as long as a scalar (RFC 9578, Section 5.5)."""
        return cls(voprf.PrivateKey.derive(cls.suite, seed, _INFO))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises `TokenKeyMalformed`."""
        try:
            return cls(voprf.PrivateKey.from_bytes(cls.suite, data))
        except ScalarMalformed:
            raise TokenKeyMalformed("A private key is not a scalar of the group of its type.") from None

    def to_bytes(self) -> bytes:
        """Return the encoded scalar. For a file of mode 0600 and nowhere else."""
        return self.key.to_bytes()


@dataclass(frozen=True, slots=True)
class TokenRequest(TokenType):
    """What a client sends: one byte of the key id and the blinded element (RFC 9578, Section 5.1)."""

    truncated_token_key_id: int
    blinded_element: Element = field(repr=False)

    @property
    def blinded_msg(self) -> bytes:
        """The blinded element, encoded."""
        return self.blinded_element.encoding

    def encode(self) -> bytes:
        """Return the structure: three bytes and the element."""
        return self.token_type.to_bytes(2, "big") + bytes((self.truncated_token_key_id,)) + self.blinded_msg

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            RequestMalformed: another token type or length, or not an element of the group.
        """
        if len(data) < 3 or data[:2] != cls.token_type.to_bytes(2, "big"):
            raise RequestMalformed("A token request is not one of the type that it was taken for.")
        try:
            return cls(data[2], cls.suite.group.decode(data[3:]))
        except ElementMalformed:
            raise RequestMalformed("The blinded message of a token request is not an element.") from None


@dataclass(frozen=True, slots=True)
class TokenResponse(TokenType):
    """What the issuer answers: the evaluated element and a proof (RFC 9578, Section 5.2), as bytes.

    Whether they are any good is for `finalize` to say.
    """

    evaluate_msg: bytes = field(repr=False)
    evaluate_proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the structure: an element and two scalars."""
        return self.evaluate_msg + self.evaluate_proof

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            ResponseMalformed: another length.
        """
        element_length = cls.suite.group.element_length
        if len(data) != element_length + cls.suite.proof_length:
            raise ResponseMalformed("A token response does not have the length of its type.")
        return cls(data[:element_length], data[element_length:])


@dataclass(frozen=True, slots=True)
class Pending:
    """What the client keeps until the answer comes. The blind links request and token: it must not leak."""

    key: PublicKey
    nonce: bytes = field(repr=False)
    challenge_digest: bytes = field(repr=False)
    blinded: "Blinded[Any, Any]" = field(repr=False)


def start(challenge: bytes, key: PublicKey, *, rng: RandomBytes) -> Pending:
    """Blind a new token for `challenge`: draws the 32-byte nonce, and scalars until one fits."""
    nonce = rng(NONCE_LENGTH)
    challenge_digest = hashlib.sha256(challenge).digest()
    message = authenticator_input(key.token_type, nonce, challenge_digest, key.key_id)
    return Pending(key, nonce, challenge_digest, voprf.blind(key.suite, message, rng=rng))


def complete(pending: Sequence[Pending], evaluated: Sequence[bytes], proof: bytes) -> list[Token]:
    """Check the one proof about `evaluated`, the answers to all of `pending`; return the tokens in order.

    Raises:
        IssuerMisbehaved: the proof does not hold, or something is no element or scalar. Keep nothing.
    """
    key = pending[0].key
    try:
        elements = [key.suite.group.decode(one) for one in evaluated]
        outputs = voprf.finalize(key.key, [one.blinded for one in pending], elements, proof)
    except (ElementMalformed, ScalarMalformed, InvalidProof):
        raise IssuerMisbehaved("The issuer's proof does not hold; the tokens were dropped.") from None
    return [
        Token(key.token_type, one.nonce, one.challenge_digest, key.key_id, output)
        for one, output in zip(pending, outputs, strict=True)
    ]


_Private = TypeVar("_Private", bound=PrivateKey)
_Public = TypeVar("_Public", bound=PublicKey)
_Request = TypeVar("_Request", bound=TokenRequest)
_Response = TypeVar("_Response", bound=TokenResponse)


class Tokens(Generic[_Private, _Public, _Request, _Response]):
    """The functions of one token type, made from its classes; its module names them."""

    def __init__(
        self,
        private_key: type[_Private],
        public_key: type[_Public],
        token_request: type[_Request],
        token_response: type[_Response],
    ) -> None:
        self._private_key = private_key
        self._public_key = public_key
        self._request = token_request
        self._response = token_response

    def load_public_key(self, encoded: bytes) -> _Public:
        """Read a token key of a directory or challenge. Raises `TokenKeyMalformed`."""
        return self._public_key(encoded)

    def load_private_key(self, encoded: bytes) -> _Private:
        """Read the scalar of a private key. Raises `TokenKeyMalformed`."""
        return self._private_key.from_bytes(encoded)

    def request(
        self, challenge: bytes, key: _Public, *, rng: RandomBytes = os.urandom
    ) -> tuple[_Request, Pending]:
        """Blind a new token for `challenge`, an encoded TokenChallenge (RFC 9578, Section 5.1).

        Draws the 32-byte nonce, and scalars until one fits.
        """
        pending = start(challenge, key, rng=rng)
        return self._request(key.key_id[-1], pending.blinded.element), pending

    def issue(
        self, requests: Sequence[_Request], key: _Private, *, rng: RandomBytes = os.urandom
    ) -> list[_Response]:
        """Evaluate `requests`, all of them for `key`, each with its own proof (RFC 9578, Section 5.2).

        Draws a scalar for each proof.

        Raises:
            RequestMalformed: a request names another key.
        """
        for one in requests:
            self.require_fit(one, key.public_key)
        responses = []
        for one in requests:
            (evaluated,), proof = voprf.blind_evaluate(key.key, [one.blinded_element], rng=rng)
            responses.append(self._response(evaluated.encoding, proof))
        return responses

    def require_fit(self, token_request: _Request, key: PublicKey) -> _Request:
        """Return `token_request` if `key` can evaluate it.

        Raises:
            RequestMalformed: it names another key.
        """
        if (token_request.token_type, token_request.truncated_token_key_id) != (
            key.token_type,
            key.key_id[-1],
        ):
            raise RequestMalformed("A token request names another key.")
        return token_request

    def finalize(self, pending: Pending, response: _Response) -> Token:
        """Check the proof, unblind the answer, and return the token (RFC 9578, Section 5.3).

        Raises:
            IssuerMisbehaved: the answer was not made with the published key. It may be a mark to know
                the client by: keep nothing of it.
        """
        (token,) = complete([pending], [response.evaluate_msg], response.evaluate_proof)
        return token

    def verify(self, token: Token, key: _Private, challenge_digest: bytes) -> Token:
        """Return `token` if it was issued under `key` for the challenge with this digest (Section 5.4).

        Raises:
            ForeignToken: it names another type, key or challenge.
            TokenInvalid: its authenticator is not what the key makes of it.
        """
        if (token.token_type, token.token_key_id) != (key.token_type, key.public_key.key_id):
            raise ForeignToken("The token is of another type or issuer key; get one for the challenge.")
        if token.challenge_digest != challenge_digest:
            raise ForeignToken("The token is for another challenge; get one for this one.")
        expected = voprf.evaluate(key.key, token.authenticator_input())
        if not hmac.compare_digest(expected, token.authenticator):
            raise TokenInvalid("The token does not verify; get another.")
        return token
