"""Messages to the gateway in both forms of the protocol: sealed to the published key, sent, opened."""

from dataclasses import dataclass

from tacita.bhttp import Fields, Request, RequestHead, Response, decode_response, encode_request
from tacita.client.doctor.case import Case
from tacita.client.doctor.plain import require_problem
from tacita.client.doctor.verdicts import Wrong
from tacita.client.doctor.visitor import Answer, Withheld
from tacita.net.message import Field
from tacita.ohttp import media, oneshot, padding
from tacita.ohttp.chunked import MAX_CHUNK, RequestSealer

__all__ = [
    "CHUNKED",
    "FORBIDDEN",
    "ONE_SHOT",
    "Opened",
    "ask_chunked",
    "ask_inside",
    "ask_one_shot",
    "asking",
    "in_chunks",
    "require_refused",
    "require_understood",
    "seal",
]

ONE_SHOT: Fields = ((b"content-type", media.REQUEST.encode()),)
CHUNKED: Fields = ((b"content-type", media.CHUNKED_REQUEST.encode()), (b"incremental", b"?1"))

FORBIDDEN = "https://tacita-doctor.invalid"
"""An origin that no gateway forwards to (RFC 6761, Section 6.4)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer inside, with the one that it came in, and the plaintext of each chunk with its arrival."""

    outer: Answer
    inner: Response
    chunks: tuple[tuple[float, bytes], ...] = ()

    def value(self, name: bytes) -> bytes:
        """Return the first value of an inner field, empty where there is none."""
        return next((value for key, value in self.inner.head.fields if key == name), b"")


def asking(target: str, *fields: Field, method: bytes = b"GET", path: bytes = b"/") -> Request:
    """Return a request for `target` without content."""
    scheme, _, authority = target.partition("://")
    return Request(RequestHead(method, scheme.encode(), authority.encode(), path, fields))


async def ask_inside(case: Case, message: Request | bytes) -> Opened:
    """Send `message` in the one-shot form to the gateway, and return what is said inside.

    Raises:
        Wrong: it was answered in the clear.
        NotApplicable, Untried: there is no gateway, or no key of it.
        TacitaError: the answer does not open, or is no Binary HTTP.
    """
    sealed = await seal(case, message)
    return await ask_one_shot(case, case.messages(), *sealed)


async def seal(case: Case, message: Request | bytes) -> tuple[bytes, oneshot.ClientContext]:
    """Return `message` sealed in the one-shot form, and what opens the answer."""
    plaintext = message if isinstance(message, bytes) else padding.pad(encode_request(message))
    return oneshot.encapsulate_request(await case.config(), plaintext)


async def ask_one_shot(case: Case, url: str, body: bytes, context: oneshot.ClientContext) -> Opened:
    """Send a sealed message to `url`. Raises as `ask_inside`."""
    outer = await case.visitor.ask("POST", url, ONE_SHOT, body)
    _require_encapsulated(outer, media.RESPONSE)
    return Opened(outer, decode_response(context.decapsulate_response(outer.body)))


async def ask_chunked(case: Case, url: str, *chunks: bytes, withheld: bool = False) -> Opened:
    """Seal each of `chunks` by itself, the last one as the final chunk, and send them to `url`.

    Where they are `withheld`, the final chunk is never sent: the answer has to come without it.

    Raises:
        as `ask_inside`
    """
    sealer = RequestSealer(await case.config())
    *before, last = chunks
    body = sealer.header() + b"".join([sealer.seal(chunk) for chunk in before])
    if not withheld:
        body += sealer.finish(last)
    outer = await case.visitor.ask("POST", url, CHUNKED, Withheld(body) if withheld else body)
    _require_encapsulated(outer, media.CHUNKED_RESPONSE)
    opener = sealer.response_opener()
    opened: list[tuple[float, bytes]] = []
    start = 0
    for moment, size in outer.arrivals:
        opened += [(moment, plaintext) for plaintext in opener.feed(outer.body[start : start + size])]
        start += size
    last_moment = outer.arrivals[-1][0] if outer.arrivals else 0.0
    opened += [(last_moment, plaintext) for plaintext in opener.finish()]
    return Opened(outer, decode_response(b"".join([plaintext for _, plaintext in opened])), tuple(opened))


def in_chunks(message: Request) -> list[bytes]:
    """Return `message` as the plaintexts of chunks."""
    plaintext = padding.pad(encode_request(message))
    return [plaintext[start : start + MAX_CHUNK] for start in range(0, len(plaintext), MAX_CHUNK)]


def require_refused(opened: Opened, status: int, *, problem_type: str | None = None) -> Opened:
    """Return `opened` if it is a refusal inside, of this status, as a problem document. Raises `Wrong`."""
    found = opened.inner.head.status
    if found != status:
        raise Wrong(f"It answered {found} inside, not {status}.")
    media_type = opened.value(b"content-type").decode("latin-1").partition(";")[0].strip().lower()
    require_problem(status, media_type, opened.inner.content, problem_type=problem_type)
    return opened


def require_understood(opened: Opened) -> int:
    """Return the inner status if it is not what a malformed request or a defect gets. Raises `Wrong`."""
    status = opened.inner.head.status
    if status == 400 or status >= 500:
        raise Wrong(f"It answered {status} inside, as if the request were malformed.")
    return status


def _require_encapsulated(outer: Answer, media_type: str) -> None:
    if outer.status != 200:
        raise Wrong(f"It answered {outer.status} in the clear, not inside the encapsulation.")
    if outer.media_type != media_type:
        raise Wrong(f"It answered 200 with another media type than {media_type}.")
