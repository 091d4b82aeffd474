"""Which header fields cross the relay, in both directions: allow-lists (RFC 9458, section 6.2).

Towards the gateway go the media type without its parameters, the length where the
client gave one, and `Incremental`. All three depend on the kind of message alone,
never on who sent it; Via and Forwarded are not added. Towards the client go what
describes the content, and nothing that could mark a client: no Set-Cookie, no ETag,
no Server, no Retry-After, no word of the gateway's about caching (the answer to a
POST is not stored anyway, and the relay says no-store itself).
"""

from dataclasses import dataclass

from aiohttp import web

from relay.errors import AnswerNotEncapsulated, ContentCoded, HttpTooOld, MediaTypeUnknown, NoContent
from tacita.net.upstream import UpstreamResponse

__all__ = ["CHUNKED", "ONE_SHOT", "Kind", "kind_of", "to_client", "to_gateway"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of exchange: the media types of its request and of its response."""

    request: str
    response: str
    incremental: bool


# Written out here, since the relay must not import `tacita.ohttp`.
ONE_SHOT = Kind("message/ohttp-req", "message/ohttp-res", incremental=False)
CHUNKED = Kind("message/ohttp-chunked-req", "message/ohttp-chunked-res", incremental=True)

_KINDS = {kind.request: kind for kind in (ONE_SHOT, CHUNKED)}

_DESCRIBES_CONTENT = {
    b"content-type": "Content-Type",
    b"content-length": "Content-Length",
    # The content is passed on as it is, so what it is coded with is passed on too.
    b"content-encoding": "Content-Encoding",
    b"incremental": "Incremental",
}


def kind_of(request: web.Request) -> Kind:
    """Return what kind of exchange `request` begins.

    Raises:
        MediaTypeUnknown, ContentCoded, HttpTooOld, NoContent
    """
    if request.version < (1, 1):
        raise HttpTooOld("The relay needs HTTP/1.1 or newer.")
    types = request.headers.getall("Content-Type", [])
    kind = _KINDS.get(types[0].partition(";")[0].strip().lower()) if len(types) == 1 else None
    if kind is None:
        raise MediaTypeUnknown(f"Send {ONE_SHOT.request} or {CHUNKED.request}.")
    if "Content-Encoding" in request.headers:
        raise ContentCoded("Send the encapsulated request without a content coding.")
    if not request.body_exists:
        raise NoContent("Send the encapsulated request as the content.")
    return kind


def to_gateway(request: web.Request, kind: Kind) -> list[tuple[str, str]]:
    """Return the header fields with which `request` goes on."""
    fields = [("Content-Type", kind.request)]
    if request.content_length is not None:
        fields.append(("Content-Length", str(request.content_length)))
    # A chunked message is meant to be delivered as it comes (chunked-08, section 3).
    if kind.incremental or _is_true(request.headers.get("Incremental", "")):
        fields.append(("Incremental", "?1"))
    return fields


def to_client(answer: UpstreamResponse, kind: Kind) -> dict[str, str]:
    """Return the header fields with which `answer` goes back.

    Raises:
        AnswerNotEncapsulated: the gateway neither refused the request nor answered it with the
            media type that belongs to it (RFC 9458, section 5; chunked-08, section 3).
    """
    if answer.status < 400 and (answer.status != 200 or answer.media_type != kind.response):
        raise AnswerNotEncapsulated("The gateway answered with something else than an encapsulated response.")
    fields = {"Cache-Control": "no-store"}
    for name, value in answer.fields:
        allowed = _DESCRIBES_CONTENT.get(name.lower())
        if allowed is not None and value.isascii():
            fields.setdefault(allowed, value.decode("ascii"))
    if answer.status == 200:
        fields["Content-Type"] = kind.response
    if fields.pop("Incremental", "") == "?1":
        fields["Incremental"] = "?1"
    return fields


def _is_true(value: str) -> bool:
    """Whether a boolean item of RFC 9651 is true; parameters are ignored."""
    return value.partition(";")[0].strip() == "?1"
