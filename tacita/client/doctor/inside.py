"""What the gateway says once it has opened a message: all of it inside the encapsulation.

None of these requests carries a good token, so none reaches a target.
"""

import secrets
from dataclasses import replace
from email.utils import formatdate

from tacita.bhttp import Request, RequestHead, encode_request
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.sealing import (
    FORBIDDEN,
    ask_inside,
    asking,
    require_refused,
    require_understood,
)
from tacita.client.doctor.verdicts import NotApplicable, Wrong
from tacita.errors import TacitaError
from tacita.privacypass import auth
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["CHECKS", "EXAMPLE", "forged_token"]

EXAMPLE = bytes.fromhex("00034745540568747470730b6578616d706c652e636f6d012f")
"""GET https://example.com/, truncated: the request of RFC 9458, Appendix A, and of the chunked draft's."""

_DATE_TYPE = "https://iana.org/assignments/http-problem-types#date"
_DAY = 86_400


@check("inside.malformed", "what is no Binary HTTP gets 400 inside", "RFC 9292, Section 4")
async def _malformed(case: Case) -> None:
    require_refused(await ask_inside(case, b"\x3f" * 64), 400)


@check("inside.connect", "CONNECT gets 400 inside", "RFC 9458, Section 5.2")
async def _connect(case: Case) -> None:
    head = RequestHead(b"CONNECT", b"", FORBIDDEN.partition("://")[2].encode() + b":443", b"")
    require_refused(await ask_inside(case, Request(head)), 400)


@check("inside.expect", "Expect: 100-continue gets 417 inside", "RFC 9458, Section 5.2")
async def _expect(case: Case) -> None:
    message = asking(await _somewhere(case), (b"expect", b"100-continue"), method=b"POST")
    require_refused(await ask_inside(case, message), 417)


@check("inside.target", "a target that is not allowed gets 403 inside", "RFC 9458, Section 5.2")
async def _target(case: Case) -> None:
    require_refused(await ask_inside(case, asking(FORBIDDEN)), 403)


@check("inside.date", "a Date outside of the window gets 400 #date inside", "RFC 9458, Section 6.5.2")
async def _date(case: Case) -> None:
    old = formatdate(case.clock() - _DAY, usegmt=True).encode()
    opened = await ask_inside(case, asking(await _somewhere(case), (b"date", old)))
    if opened.inner.head.status in {401, 403}:
        raise NotApplicable("The gateway does not look at the Date.")
    require_refused(opened, 400, problem_type=_DATE_TYPE)
    if not opened.value(b"date"):
        raise Wrong("It refuses the Date without saying which one it has.")


@check(
    "inside.example",
    "the truncated request of the RFC's own example is understood",
    "RFC 9292, Section 3.8; RFC 9458, Appendix A",
)
async def _example(case: Case) -> str:
    return f"answered {require_understood(await ask_inside(case, EXAMPLE))} inside"


@check(
    "inside.indeterminate",
    "a request of indeterminate length with content and trailers is understood",
    "RFC 9292, Section 3.2",
)
async def _indeterminate(case: Case) -> str:
    message = replace(asking(FORBIDDEN, method=b"POST"), content=b"content", trailers=((b"x-end", b"1"),))
    opened = await ask_inside(case, encode_request(message, form="indeterminate"))
    return f"answered {require_understood(opened)} inside"


@check(
    "inside.token-missing",
    "a request without a token gets 401 with the published challenge inside",
    "RFC 9577, Section 2.1",
)
async def _missing(case: Case) -> None:
    published = await case.challenge()
    opened = require_refused(await ask_inside(case, asking(await case.target())), 401)
    try:
        shown = auth.parse_www_authenticate(
            opened.value(b"www-authenticate"), token_types={published.token_type}
        )
    except TacitaError:
        shown = []
    if not shown:
        raise Wrong("It answered 401 inside without a PrivateToken challenge for the published token type.")
    if published not in [one.challenge for one in shown]:
        raise Wrong("It shows another challenge than the published one, which could single a client out.")


@check("inside.token-invalid", "a forged token gets 401 inside", "RFC 9577, Section 2.2")
async def _invalid(case: Case) -> None:
    token = forged_token((await case.challenge()).digest())
    message = asking(await case.target(), (b"authorization", auth.format_authorization(token)))
    require_refused(await ask_inside(case, message), 401)


def forged_token(challenge_digest: bytes) -> Token:
    """Return a token that nobody has signed."""
    return Token(
        blind_rsa.TOKEN_TYPE,
        secrets.token_bytes(32),
        challenge_digest,
        secrets.token_bytes(32),
        secrets.token_bytes(blind_rsa.AUTHENTICATOR_LENGTH),
    )


async def _somewhere(case: Case) -> str:
    """Return a target that is allowed, where one is known: what is looked at first differs."""
    try:
        return await case.target()
    except NotApplicable:
        return FORBIDDEN


CHECKS: tuple[Check, ...] = (
    _malformed,
    _connect,
    _expect,
    _target,
    _date,
    _example,
    _indeterminate,
    _missing,
    _invalid,
)
