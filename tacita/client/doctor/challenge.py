"""The published challenge: one for all, so that tokens can be fetched ahead and single nobody out."""

import json

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import OURS, Check, check
from tacita.client.doctor.verdicts import Missing, NotApplicable, Untried, Wrong
from tacita.client.trust import ChallengeDocumentMalformed
from tacita.errors import TacitaError
from tacita.privacypass.challenge import TokenChallenge
from tacita.wire import base64url

__all__ = ["CHECKS"]


@check(
    "challenge.document", "the challenge document can be read, in padded base64url", "RFC 9577, Section 2.1"
)
async def _document(case: Case) -> str:
    return f"{len(await _challenges(case))} challenges"


@check(
    "challenge.context",
    "no challenge is bound to a context, so that tokens can be fetched ahead",
    "RFC 9577, Section 2.1.1",
)
async def _context(case: Case) -> None:
    if any(one.redemption_context for one in await _readable(case)):
        raise Wrong("A challenge is bound to a redemption context: no token can be fetched ahead for it.")


@check(
    "challenge.origin", "a challenge names exactly one origin: one for all clients", "RFC 9577, Section 2.1.1"
)
async def _origin(case: Case) -> None:
    if any(len(one.origin_info) != 1 for one in await _readable(case)):
        raise Wrong("A challenge names no origin or several: its tokens could be asked for elsewhere.")


@check("challenge.issuer", "a challenge names the issuer whose directory is shown", "RFC 9577, Section 2.1.1")
async def _issuer(case: Case) -> None:
    try:
        uri = (await case.directory()).issuer_request_uri
    except Missing:
        raise NotApplicable("There is no issuer directory beside the challenge.") from None
    except TacitaError:
        raise Untried("The issuer directory cannot be read.") from None
    if "://" not in uri:
        raise Untried("The issuer directory does not say where the issuer is.")
    host = uri.partition("://")[2].partition("/")[0]
    if host not in [one.issuer_name for one in await _readable(case)]:
        raise Wrong("No challenge names the issuer that the directory is of.")


@check("challenge.budget", "what one token buys is published: bytes in, bytes out, seconds", OURS)
async def _budget(case: Case) -> str:
    await _readable(case)
    budget = await case.budget()
    names = ("request_bytes", "response_bytes", "seconds")
    if any(budget.get(name, 0) < 1 for name in names):
        raise Wrong("The challenge document does not say what one token buys.")
    return ", ".join(f"{name} {budget[name]:,}" for name in names)


async def _challenges(case: Case) -> list[TokenChallenge]:
    """Return the published challenges of the default structure.

    Raises:
        NotApplicable: none is published.
        DecodeError: something there is none.
    """
    try:
        body = (await case.document("challenge")).body
    except Missing:
        raise NotApplicable("The gateway publishes no challenge.") from None
    try:
        document = json.loads(body)
        texts = [entry["challenge"] for entry in document.get("challenges", [document])]
        texts.append(document["challenge"])
        encoded = [base64url.decode(text) for text in texts if len(text) % 4 == 0]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ChallengeDocumentMalformed("The challenge document cannot be read.") from None
    if len(encoded) != len(texts):
        raise Wrong("A challenge is not padded base64url.")
    found = {}
    for one in encoded:
        # 0xE5AC has a structure of its own, and its own checks of it.
        if one[:2] != b"\xe5\xac":
            found[one] = TokenChallenge.decode(one)
    return list(found.values())


async def _readable(case: Case) -> list[TokenChallenge]:
    try:
        return await _challenges(case)
    except (NotApplicable, Untried):
        raise
    except TacitaError:
        raise Untried("The challenge document cannot be read.") from None


CHECKS: tuple[Check, ...] = (_document, _context, _origin, _issuer, _budget)
