"""Generic batches: several token requests, of any types, in one round trip.

Follows draft-ietf-privacypass-batched-tokens-09, Section 6. A batch has no length before
each element: the token type that an element begins with tells how long it is, so a type
that nobody knows makes the whole batch unreadable (422).

Versions. The draft's text puts `token_type` before a TokenRequest that begins with it
itself; its vectors, and those of pat-go and raphaelrobert/privacypass, have it once, and
so do we. Responses carry it since draft -04, before a TokenResponse that does not.
privacypass-ts, which follows draft -06, writes the same bytes, but reads lengths that are
not in their shortest form, and types 0x0001 and 0x0002 only; a batch of which it issues
nothing it answers with absent responses all the way, where the draft has 400. It has no
amortized batches.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

from tacita.privacypass.errors import BatchMalformed, BatchTooLarge
from tacita.privacypass.token import MESSAGE_LENGTHS
from tacita.wire import varint
from tacita.wire.cursor import Cursor, TrailingBytes
from tacita.wire.varint import NotMinimal, Truncated

__all__ = [
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "GenericBatchTokenRequest",
    "GenericBatchTokenResponse",
    "GenericTokenResponse",
]

_T = TypeVar("_T")

REQUEST_MEDIA_TYPE = "application/private-token-generic-batch-request"
RESPONSE_MEDIA_TYPE = "application/private-token-generic-batch-response"


@dataclass(frozen=True, slots=True)
class GenericBatchTokenRequest:
    """Encoded TokenRequests, each of which begins with its token type."""

    token_requests: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        for one in self.token_requests:
            if len(one) != _lengths(int.from_bytes(one[:2], "big"))[0]:
                raise BatchMalformed("A request of a batch is not as long as its token type wants.")

    def encode(self) -> bytes:
        """Return the body of media type `REQUEST_MEDIA_TYPE`."""
        return _vector(b"".join(self.token_requests))

    @classmethod
    def decode(cls, data: bytes, *, limit: int) -> Self:
        """Read a body with at most `limit` requests.

        Raises:
            BatchTooLarge: more requests.
            BatchMalformed: an unknown token type, truncated, something follows, or a length that is
                not in its shortest form.
        """
        return cls(tuple(_elements(data, limit, _read_request)))


@dataclass(frozen=True, slots=True)
class GenericTokenResponse:
    """An encoded TokenResponse and the token type that it is for."""

    token_type: int
    token_response: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.token_response) != _lengths(self.token_type)[1]:
            raise BatchMalformed("A response of a batch is not as long as its token type wants.")


@dataclass(frozen=True, slots=True)
class GenericBatchTokenResponse:
    """For each request, in order, its response, or None where the issuer gave none."""

    token_responses: tuple[GenericTokenResponse | None, ...]

    def encode(self) -> bytes:
        """Return the body of media type `RESPONSE_MEDIA_TYPE`."""
        return _vector(
            b"".join(
                b"\x00" if one is None else b"\x01" + one.token_type.to_bytes(2, "big") + one.token_response
                for one in self.token_responses
            )
        )

    @classmethod
    def decode(cls, data: bytes, *, limit: int) -> Self:
        """Read a body with at most `limit` responses, present or not.

        Raises:
            BatchTooLarge: more responses.
            BatchMalformed: an unknown token type, a presence byte that is neither 0 nor 1, truncated,
                something follows, or a length that is not in its shortest form.
        """
        return cls(tuple(_elements(data, limit, _read_response)))


def _lengths(token_type: int) -> tuple[int, int]:
    lengths = MESSAGE_LENGTHS.get(token_type)
    if lengths is None:
        raise BatchMalformed("A batch holds a token type that is not supported; leave it out.")
    return lengths


def _vector(content: bytes) -> bytes:
    return varint.encode(len(content)) + content


def _read_request(cursor: Cursor) -> bytes:
    head = cursor.take(2)
    return head + cursor.take(_lengths(int.from_bytes(head, "big"))[0] - 2)


def _read_response(cursor: Cursor) -> GenericTokenResponse | None:
    match cursor.u8():
        case 0:
            return None
        case 1:
            token_type = cursor.u16()
            return GenericTokenResponse(token_type, cursor.take(_lengths(token_type)[1]))
        case _:
            raise BatchMalformed("A presence byte of a batch is neither 0 nor 1.")


def _elements(data: bytes, limit: int, read: Callable[[Cursor], _T]) -> list[_T]:
    """Return what `read` makes of each element of the one vector in `data`."""
    found: list[_T] = []
    try:
        outer = Cursor(data)
        inner = Cursor(outer.take(outer.varint_minimal()))
        outer.finish()
        while inner.remaining:
            if len(found) == limit:
                raise BatchTooLarge("A batch asks for more tokens than are given at once; split it.")
            found.append(read(inner))
    except (Truncated, NotMinimal, TrailingBytes):
        raise BatchMalformed(
            "A batch is truncated, too long, or has a length not in its shortest form."
        ) from None
    return found
