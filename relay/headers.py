"""Which header fields cross the relay, in both directions: allow-lists (RFC 9458, section 6.2).

Towards the gateway go the media type without its parameters, the length where the
client gave one, and `Incremental`. All three depend on the kind of message alone,
never on who sent it; Via and Forwarded are not added. Towards the client go what
describes the content, and nothing that could mark a client: no Set-Cookie, no ETag,
no Server, no Retry-After, no word of the gateway's about caching (the answer to a
POST is not stored anyway, and the relay says no-store itself).
"""

from dataclasses import dataclass

from relay.errors import (
    AnswerNotEncapsulated,
    ContentCoded,
    HttpTooOld,
    MediaTypeUnknown,
    NoContent,
    TooEarly,
)
from tacita.net.message import Field, Fields, Request
from tacita.net.upstream import UpstreamResponse

__all__ = ["CHUNKED", "ONE_SHOT", "Kind", "is_incremental", "kind_of", "to_client", "to_gateway"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of exchange: the media types of its request and of its response."""

    request: bytes
    response: bytes
    incremental: bool


# Written out here, since the relay must not import `tacita.ohttp`.
ONE_SHOT = Kind(b"message/ohttp-req", b"message/ohttp-res", incremental=False)
CHUNKED = Kind(b"message/ohttp-chunked-req", b"message/ohttp-chunked-res", incremental=True)

_KINDS = {kind.request: kind for kind in (ONE_SHOT, CHUNKED)}

_NOT_STORED: Field = (b"Cache-Control", b"no-store")

_INCREMENTAL: Field = (b"Incremental", b"?1")


def kind_of(request: Request) -> Kind:
    """Return what kind of exchange `request` begins.

    Raises:
        MediaTypeUnknown, ContentCoded, HttpTooOld, NoContent, TooEarly
    """
    if request.version < (1, 1):
        raise HttpTooOld("The relay needs HTTP/1.1 or newer.")
    if request.values(b"early-data"):
        # Whatever its value: anything but 1 counts as 1 (RFC 8470, section 5.1).
        raise TooEarly("The request came as early data of TLS; send it again after the handshake.")
    types = request.values(b"content-type")
    kind = _KINDS.get(_without_parameters(types[0])) if len(types) == 1 else None
    if kind is None:
        raise MediaTypeUnknown("Send message/ohttp-req or message/ohttp-chunked-req.")
    if request.values(b"content-encoding"):
        raise ContentCoded("Send the encapsulated request without a content coding.")
    if request.length == 0:
        raise NoContent("Send the encapsulated request as the content.")
    return kind


def to_gateway(request: Request, kind: Kind, credentials: Fields = ()) -> Fields:
    """Return the header fields with which `request` goes on; `credentials` are the relay's own."""
    fields: Fields = ((b"Content-Type", kind.request), *credentials)
    if is_incremental(request, kind):
        fields += (_INCREMENTAL,)
    # The last one, where it stands too if it is only known later.
    if request.length is not None:
        fields += ((b"Content-Length", b"%d" % request.length),)
    return fields


def is_incremental(request: Request, kind: Kind) -> bool:
    """Whether `request` is to be passed on as it comes (RFC 10036, section 3)."""
    # A chunked message is meant to be delivered so (chunked-08, section 3).
    return kind.incremental or any(_is_true(value) for value in request.values(b"incremental")[:1])


def to_client(answer: UpstreamResponse, kind: Kind) -> tuple[Fields, int | None]:
    """Return the header fields with which `answer` goes back, and its length where it says it.

    Raises:
        AnswerNotEncapsulated: the gateway neither refused the request nor answered it with the
            media type that belongs to it (RFC 9458, section 5; chunked-08, section 3).
    """
    media_type = coding = b""
    incremental = False
    length = None
    for name, value in answer.fields:
        if name == b"content-type":
            media_type = media_type or value
        elif name == b"content-length":
            length = int(value)
        elif name == b"content-encoding":
            # The content is passed on as it is, so what it is coded with is passed on too.
            coding = coding or value
        elif name == b"incremental":
            incremental = value == b"?1"
    if answer.status < 400:
        if answer.status != 200 or _without_parameters(media_type) != kind.response:
            raise AnswerNotEncapsulated(
                "The gateway answered with something else than an encapsulated response."
            )
        media_type = kind.response
    fields: Fields = (_NOT_STORED,)
    if media_type and media_type.isascii():
        fields += ((b"Content-Type", media_type),)
    if coding and coding.isascii():
        fields += ((b"Content-Encoding", coding),)
    if incremental:
        fields += (_INCREMENTAL,)
    return fields, length


def _without_parameters(media_type: bytes) -> bytes:
    if media_type in _KINDS:
        return media_type
    return media_type.partition(b";")[0].strip().lower()


def _is_true(value: bytes) -> bool:
    """Whether a boolean item of RFC 9651 is true; parameters are ignored."""
    return value.partition(b";")[0].strip() == b"?1"
