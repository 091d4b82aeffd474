"""What the gateway says in the clear, before it opens anything (RFC 9458, Section 5.2)."""

from tacita.client.doctor import plain
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.plain import require_absent, require_status
from tacita.client.doctor.sealing import FORBIDDEN, ONE_SHOT, asking, seal
from tacita.client.doctor.verdicts import NotApplicable, Wrong
from tacita.ohttp import media

__all__ = ["CHECKS"]

_TEXT = ((b"content-type", b"text/plain"),)


@check("gateway.method", "a wrong method gets 405 with Allow", "RFC 9110, Section 15.5.6")
async def _method(case: Case) -> None:
    require_absent(await plain.method_refused(case, "PUT", _gateway(case), allowed="POST"), plain.MARKS)


@check("gateway.media-type", "another media type gets 415", "RFC 9458, Section 5.2")
async def _media_type(case: Case) -> None:
    require_status(await case.visitor.ask("POST", _gateway(case), _TEXT, b"sealed"), 415)


@check("gateway.media-type-parameters", "parameters of the media type are ignored", "RFC 9110, Section 8.3.1")
async def _parameters(case: Case) -> None:
    fields = [(b"content-type", media.REQUEST.upper().encode() + b"; q=1")]
    body, _ = await seal(case, asking(FORBIDDEN))
    answer = await case.visitor.ask("POST", _gateway(case), fields, body)
    if answer.status in {400, 415}:
        raise Wrong(f"It answered {answer.status} to its own media type in capitals and with a parameter.")


@check("gateway.content-coding", "a content coding gets 415", "RFC 9110, Section 15.5.16")
async def _coding(case: Case) -> None:
    await plain.encoded_content(case, _gateway(case), media.REQUEST)


@check(
    "gateway.length",
    "an announced length beyond what a token buys gets 413 before the content is sent",
    "RFC 9110, Section 15.5.14",
)
async def _length(case: Case) -> str:
    longest = (await case.budget()).get("request_bytes")
    return await plain.length_refused(case, _gateway(case), *ONE_SHOT, longest=longest)


@check("gateway.path", "any other path gets 404, never a page", "RFC 9110, Section 15.5.5")
async def _path(case: Case) -> None:
    await plain.path_refused(case, "GET", _gateway(case))
    await plain.path_refused(case, "POST", _gateway(case), *ONE_SHOT, body=b"sealed")


def _gateway(case: Case) -> str:
    if case.subject.gateway is None:
        raise NotApplicable("The gateway itself is not examined.")
    return case.subject.gateway


CHECKS: tuple[Check, ...] = (_method, _media_type, _parameters, _coding, _length, _path)
