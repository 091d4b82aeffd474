"""The relay: what it refuses by itself, and that it adds nothing to what it passes on (RFC 9458, Section 5).

What it sends to the gateway cannot be seen from here; a gateway that records what it gets shows that.
"""

from tacita.client.doctor import plain
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import OURS, Check, check
from tacita.client.doctor.plain import MARKS, require_absent, require_problem, require_status
from tacita.client.doctor.refusals import refusal
from tacita.client.doctor.sealing import CHUNKED, FORBIDDEN, ONE_SHOT, Opened, ask_one_shot, asking, seal
from tacita.client.doctor.stream import early_answer
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.errors import CryptoError, DecodeError, TacitaError
from tacita.net.upstream import UpstreamError
from tacita.ohttp import media

__all__ = ["CHECKS"]

_TEXT = ((b"content-type", b"text/plain"),)

_GATEWAYS = MARKS | {"retry-after", "etag", "last-modified", "expires", "age", "vary", "www-authenticate"}
"""What a gateway's answer may say and a relay does not pass on, and what no relay has to say itself."""


def _url(case: Case) -> str:
    if case.subject.relay is None:
        raise NotApplicable("No relay is examined.")
    return case.subject.relay


@check("relay.method", "a wrong method gets 405 with Allow, never a page", "RFC 9110, Section 15.5.6")
async def _method(case: Case) -> None:
    await plain.method_refused(case, "GET", _url(case), allowed="POST")


@check("relay.media-type", "another media type gets 415", "RFC 9458, Section 5.2")
async def _media_type(case: Case) -> None:
    await _other_media_type(case)


async def _other_media_type(case: Case) -> Answer:
    url = _url(case)
    answer = await case.once(f"text {url}", lambda: case.visitor.ask("POST", url, _TEXT, b"sealed"))
    return require_status(answer, 415)


@check("relay.content-coding", "a content coding gets 415", "RFC 9110, Section 15.5.16")
async def _coding(case: Case) -> None:
    await plain.encoded_content(case, _url(case), media.REQUEST)


@check(
    "relay.length",
    "an announced length beyond all limits gets 413 before the content is sent",
    "RFC 9110, Section 15.5.14",
)
async def _length(case: Case) -> str:
    return await plain.length_refused(case, _url(case), *ONE_SHOT)


@check("relay.path", "a gateway that there is not gets 404", "RFC 9110, Section 15.5.5")
async def _path(case: Case) -> None:
    await plain.path_refused(case, "POST", _url(case), *ONE_SHOT, body=b"sealed")


@check("relay.answer", "a sealed request comes back answered, and opens", "RFC 9458, Section 5")
async def _answer(case: Case) -> str:
    opened = await _through(case)
    return f"answered {opened.inner.head.status} inside"


async def _through(case: Case) -> Opened:
    async def make() -> Opened:
        sealed = await seal(case, asking(FORBIDDEN))
        try:
            return await ask_one_shot(case, _url(case), *sealed)
        except (CryptoError, DecodeError) as reason:
            raise Wrong(str(reason)) from None

    return await case.once("relay answer", make)


@check(
    "relay.refusal",
    "the gateway's refusal is passed through as it is",
    "RFC 9458, Section 5.2",
)
async def _refusal(case: Case) -> str:
    relayed = await refusal(case, _url(case), "undecryptable", ONE_SHOT)
    if case.subject.gateway is None:
        require_status(relayed, 422)
        require_problem(422, relayed.media_type, relayed.body)
        return "the gateway's own was not there to be compared"
    original = await refusal(case, case.subject.gateway, "undecryptable", ONE_SHOT)
    require_status(relayed, original.status)
    if (relayed.media_type, relayed.body) != (original.media_type, original.body):
        raise Wrong("It changes the body or the media type of the gateway's refusal.")
    return "byte for byte the gateway's"


@check(
    "relay.fields",
    "no answer carries a field that marks a client or speaks of the gateway",
    "RFC 9458, Section 5.2",
)
async def _fields(case: Case) -> str:
    answers: list[Answer] = []
    for fetch in (_answered, _refused, _other_media_type):
        try:
            answers.append(await fetch(case))
        except UpstreamError:
            raise
        except TacitaError:
            continue  # Another check says so.
    if not answers:
        raise Untried("It gave none of the answers that would be looked at.")
    for answer in answers:
        require_absent(answer, _GATEWAYS)
    return f"{len(answers)} answers looked at"


async def _answered(case: Case) -> Answer:
    return (await _through(case)).outer


async def _refused(case: Case) -> Answer:
    return await refusal(case, _url(case), "undecryptable", ONE_SHOT)


@check("relay.no-store", "an answer is not to be kept by caches", OURS)
async def _no_store(case: Case) -> None:
    try:
        opened = await _through(case)
    except Wrong:
        raise Untried("There is no answer to look at.") from None
    directives = opened.outer.value("cache-control").lower()
    if "no-store" not in [one.strip() for one in directives.split(",")]:
        raise Wrong("An answer does not say Cache-Control: no-store.")


@check(
    "relay.incremental",
    "a chunked request goes on as it comes and so does its answer, or it is refused as such",
    "draft-ietf-ohai-chunked-ohttp-08, Section 3",
)
async def _incremental(case: Case) -> str:
    url = _url(case)
    try:
        await early_answer(case, url)
    except Wrong as reason:
        return await _refuses(case, reason)
    return "answered before the last chunk was sent"


async def _refuses(case: Case, reason: Wrong) -> str:
    """Return where the relay says that it forwards nothing incrementally, or the gateway does not."""
    answer = await refusal(case, _url(case), "malformed", CHUNKED)
    proxy_status = answer.value("proxy-status")
    if answer.status == 501 and "incremental_refused" in proxy_status:
        return "it refuses to, and says so"
    if case.subject.gateway is not None:
        try:
            await early_answer(case, case.subject.gateway)
        except TacitaError:
            raise Untried("The gateway itself waits for the end of a request.") from None
    raise reason


CHECKS: tuple[Check, ...] = (
    _method,
    _media_type,
    _coding,
    _length,
    _path,
    _answer,
    _refusal,
    _fields,
    _no_store,
    _incremental,
)
