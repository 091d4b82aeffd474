"""Amortized batches: several tokens of one type under one key, and one proof for all of them.

    batch_request, pending = request(challenge.encode(), key, 100)
    batch_response = issue(batch_request, private_key)          # on the other side
    tokens = finalize(pending, batch_response)

For the types on VOPRF (0x0001 and 0x0005); the tokens are those of `types.voprf_p384` and
`types.voprf_ristretto255`, which verify them. All of the batch is issued or nothing: 200, or
422 for a type, key, number of tokens or element that the issuer does not take.

Follows draft-ietf-privacypass-batched-tokens-09, Section 5. The draft's FinalizeBatch has one
input and one blind for all; each token has its own, as its Section 5.1 draws them, and the
vectors of pat-go bear that out. privacypass-ts (0.9.0) has no amortized batches.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tacita.crypto import voprf as oprf
from tacita.crypto.groups.errors import ElementMalformed
from tacita.crypto.groups.group import Element, RandomBytes
from tacita.crypto.voprf import MAX_BATCH, Suite
from tacita.privacypass.errors import BatchMalformed, BatchTooLarge, RequestMalformed
from tacita.privacypass.token import Token
from tacita.privacypass.types import voprf, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.voprf import Pending, PrivateKey, PublicKey
from tacita.wire import varint
from tacita.wire.cursor import Cursor, TrailingBytes
from tacita.wire.varint import NotMinimal, Truncated

__all__ = [
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "AmortizedBatchTokenRequest",
    "AmortizedBatchTokenResponse",
    "finalize",
    "issue",
    "request",
]

REQUEST_MEDIA_TYPE = "application/private-token-amortized-batch-request"
RESPONSE_MEDIA_TYPE = "application/private-token-amortized-batch-response"

_SUITES: dict[int, Suite[Any, Any]] = {
    module.TOKEN_TYPE: module.PublicKey.suite for module in (voprf_p384, voprf_ristretto255)
}


@dataclass(frozen=True, slots=True)
class AmortizedBatchTokenRequest:
    """One byte of the key id, and a blinded element for each token, at least one (Section 5.1)."""

    token_type: int
    truncated_token_key_id: int
    blinded_elements: tuple[Element, ...] = field(repr=False)

    def encode(self) -> bytes:
        """Return the body of media type `REQUEST_MEDIA_TYPE`."""
        head = self.token_type.to_bytes(2, "big") + bytes((self.truncated_token_key_id,))
        return head + _vector([one.encoding for one in self.blinded_elements])

    @classmethod
    def decode(cls, data: bytes, *, limit: int) -> Self:
        """Read a body that asks for at most `limit` tokens.

        Raises:
            BatchTooLarge: it asks for more.
            BatchMalformed: a type without amortized batches, no token at all, not an element of the
                group, truncated, something follows, or a length that is not in its shortest form.
        """
        try:
            cursor = Cursor(data)
            token_type, truncated_token_key_id = cursor.u16(), cursor.u8()
            suite = _suite(token_type)
            messages = _messages(cursor, suite, limit)
            cursor.finish()
        except (Truncated, NotMinimal, TrailingBytes):
            raise _unreadable() from None
        if not messages:
            raise BatchMalformed("A batch asks for no token at all.")
        try:
            elements = tuple(suite.group.decode(one) for one in messages)
        except ElementMalformed:
            raise BatchMalformed("A blinded message of a batch is not an element of the group.") from None
        return cls(token_type, truncated_token_key_id, elements)


@dataclass(frozen=True, slots=True)
class AmortizedBatchTokenResponse:
    """The evaluated elements in the order of the request, and the proof about them, as bytes (Section 5.2).

    Whether they are any good is for `finalize` to say.
    """

    evaluated_msgs: tuple[bytes, ...] = field(repr=False)
    evaluated_proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the body of media type `RESPONSE_MEDIA_TYPE`."""
        return _vector(self.evaluated_msgs) + self.evaluated_proof

    @classmethod
    def decode(cls, data: bytes, *, token_type: int, limit: int) -> Self:
        """Read a body with at most `limit` answers for tokens of `token_type`.

        Raises:
            BatchTooLarge: more of them.
            BatchMalformed: a type without amortized batches, truncated, something follows, or a length
                that is not in its shortest form.
        """
        suite = _suite(token_type)
        try:
            cursor = Cursor(data)
            response = cls(_messages(cursor, suite, limit), cursor.take(suite.proof_length))
            cursor.finish()
        except (Truncated, NotMinimal, TrailingBytes):
            raise _unreadable() from None
        return response


def request(
    challenge: bytes, key: PublicKey, count: int, *, rng: RandomBytes = os.urandom
) -> tuple[AmortizedBatchTokenRequest, list[Pending]]:
    """Blind `count` new tokens, at least one, for `challenge`, an encoded TokenChallenge (Section 5.1).

    For each of them a 32-byte nonce is drawn, and scalars until one fits.
    """
    pending = [voprf.start(challenge, key, rng=rng) for _ in range(count)]
    elements = tuple(one.blinded.element for one in pending)
    return AmortizedBatchTokenRequest(key.token_type, key.key_id[-1], elements), pending


def issue(
    batch: AmortizedBatchTokenRequest, key: PrivateKey, *, rng: RandomBytes = os.urandom
) -> AmortizedBatchTokenResponse:
    """Evaluate all of `batch` under `key`, with one proof (Section 5.2). Draws a scalar for the proof.

    Raises:
        RequestMalformed: it is for another key.
    """
    if (batch.token_type, batch.truncated_token_key_id) != (key.token_type, key.public_key.key_id[-1]):
        raise RequestMalformed("A batch names another key.")
    evaluated, proof = oprf.blind_evaluate(key.key, batch.blinded_elements, rng=rng)
    return AmortizedBatchTokenResponse(tuple(one.encoding for one in evaluated), proof)


def finalize(pending: Sequence[Pending], response: AmortizedBatchTokenResponse) -> list[Token]:
    """Check the proof, unblind the answers, and return the tokens in order (Section 5.3).

    Raises:
        IssuerMisbehaved: the answers were not made with the published key. They may be marks to know
            the client by: keep nothing of them.
    """
    return voprf.complete(pending, response.evaluated_msgs, response.evaluated_proof)


def _suite(token_type: int) -> Suite[Any, Any]:
    suite = _SUITES.get(token_type)
    if suite is None:
        raise BatchMalformed("There are no amortized batches for this token type; ask for a generic one.")
    return suite


def _messages(cursor: Cursor, suite: Suite[Any, Any], limit: int) -> tuple[bytes, ...]:
    content = cursor.take(cursor.varint_minimal())
    length = suite.group.element_length
    if len(content) % length:
        raise BatchMalformed("A message of a batch is not as long as its token type wants.")
    if len(content) // length > min(limit, MAX_BATCH):
        raise BatchTooLarge("A batch asks for more tokens than are given at once; split it.")
    return tuple(content[start : start + length] for start in range(0, len(content), length))


def _vector(messages: Sequence[bytes]) -> bytes:
    content = b"".join(messages)
    return varint.encode(len(content)) + content


def _unreadable() -> BatchMalformed:
    return BatchMalformed("A batch is truncated, too long, or has a length not in its shortest form.")
