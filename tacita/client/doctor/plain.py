"""What is the same for every HTTP resource: methods, paths, lengths, and what an answer may not carry."""

import gzip
import json

from tacita.client.doctor.case import Case
from tacita.client.doctor.verdicts import Wrong
from tacita.client.doctor.visitor import Answer, Withheld
from tacita.net.message import Field
from tacita.net.upstream import UpstreamTimeout
from tacita.net.urls import split

__all__ = [
    "MARKS",
    "PROBLEM",
    "encoded_content",
    "length_refused",
    "method_refused",
    "path_refused",
    "require_absent",
    "require_problem",
    "require_status",
]

PROBLEM = "application/problem+json"

MARKS = frozenset(
    {
        "set-cookie",
        "set-cookie2",
        "server",
        "via",
        "x-powered-by",
        "x-request-id",
        "x-correlation-id",
        "x-served-by",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "cf-ray",
        "traceparent",
        "server-timing",
        "nel",
        "report-to",
        "reporting-endpoints",
    }
)
"""Fields that could mark a client, link its requests, or name software and the way that an answer took."""

_ENDLESS = 1 << 40
"""A length that nobody takes, where no limit is published."""

_LENGTH_SECONDS = 5.0


def require_status(answer: Answer, *expected: int) -> Answer:
    """Return `answer` if it has one of the statuses. Raises `Wrong`."""
    if answer.status not in expected:
        wanted = " or ".join(map(str, expected))
        raise Wrong(f"It answered {answer.status}, not {wanted}.")
    return answer


def require_problem(status: int, media_type: str, body: bytes, *, problem_type: str | None = None) -> None:
    """Return if this is a problem document of RFC 9457 for `status`, of `problem_type` if that is given.

    Raises:
        Wrong
    """
    try:
        document = json.loads(body) if media_type == PROBLEM else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Wrong(f"It answered {status} as it should, but without a problem document.")
    if problem_type is not None and document.get("type") != problem_type:
        raise Wrong(f"It answered {status} as it should, but with another problem type than {problem_type}.")


def require_absent(answer: Answer, names: frozenset[str]) -> Answer:
    """Return `answer` if it has no field of `names`. Raises `Wrong` with those that it has."""
    present = {name.decode("latin-1") for name, _ in answer.fields} & names
    if present:
        raise Wrong(f"An answer of {answer.status} carries {', '.join(sorted(present))}.")
    return answer


async def method_refused(case: Case, method: str, url: str, *, allowed: str) -> Answer:
    """Send `method`; return the 405 with its Allow, which names `allowed`. Raises `Wrong`."""
    answer = await case.once(f"{method} {url}", lambda: case.visitor.ask(method, url))
    require_status(answer, 405)
    listed = {one.strip() for value in answer.values("allow") for one in value.split(",")}
    if allowed not in listed:
        raise Wrong(f"It answered 405 without an Allow field that names {allowed}.")
    return answer


async def path_refused(
    case: Case, method: str, url: str, *fields: Field, body: bytes | None = None
) -> Answer:
    """Ask for a path beside that of `url`, where nothing is; return the 404. Raises `Wrong`."""
    origin, path = split(url)
    beside = path.partition("?")[0].rpartition("/")[0]
    missing = f"{origin}{beside}/tacita-doctor-asks-for-nothing"
    answer = await case.once(f"{method} {missing}", lambda: case.visitor.ask(method, missing, fields, body))
    return require_status(answer, 404)


async def length_refused(case: Case, url: str, *fields: Field, longest: int | None = None) -> str:
    """Announce a body that is longer than `longest` and send nothing of it: it is refused all the same.

    Raises:
        Wrong: it is not, or only when some of the body has come.
    """
    length = _ENDLESS if longest is None else longest + 1
    announced = (*fields, (b"content-length", b"%d" % length))
    try:
        answer = await case.visitor.ask("POST", url, announced, Withheld(), seconds=_LENGTH_SECONDS)
    except UpstreamTimeout:
        raise Wrong("It waits for the content before it refuses its announced length.") from None
    require_status(answer, 413)
    return f"refused {length:,} announced bytes before the first"


async def encoded_content(case: Case, url: str, media_type: str) -> None:
    """Send content that is said to be compressed, which nobody asked for. Raises `Wrong` unless refused."""
    fields = [(b"content-type", media_type.encode()), (b"content-encoding", b"gzip")]
    require_status(await case.visitor.ask("POST", url, fields, gzip.compress(b"sealed")), 415)
