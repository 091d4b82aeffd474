"""The life of a token: asked for, verified, taken once, refused ever after. Costs one token, or two.

The second is for an answer that streams, where the target is a chat model.
"""

import json

from tacita.bhttp import Request, RequestHead
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.issuer import authorized, request_url
from tacita.client.doctor.refusals import require_chunked
from tacita.client.doctor.sealing import (
    Opened,
    ask_chunked,
    ask_inside,
    ask_one_shot,
    asking,
    in_chunks,
    require_refused,
    seal,
)
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.errors import TacitaError
from tacita.net.upstream import UpstreamError
from tacita.ohttp import oneshot
from tacita.privacypass import auth, batch
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.errors import IssuerMisbehaved
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["CHECKS"]

_PATH = b"/v1/models"
"""What is asked for with the first token: cheap at a chat model, and harmless anywhere else."""

_CHAT_PATH = b"/v1/chat/completions"
_ANSWER_TOKENS = 8


@check("token.issued", "a batch of tokens is granted, and every signature verifies", "RFC 9578, Section 6.3")
async def _issued(case: Case) -> str:
    tokens = await _tokens(case)
    return f"{len(tokens)} fetched from the account"


@check("token.accepted", "a good token is taken", "RFC 9577, Section 2.2")
async def _accepted(case: Case) -> str:
    opened, _ = await _first_use(case)
    return f"the target answered {opened.inner.head.status}"


@check("token.second-use", "the same token in another message gets 401 inside", "RFC 9576, Section 3.3")
async def _second_use(case: Case) -> None:
    await _used(case)
    token = (await _granted(case))[0]
    message = asking(await case.target(), _paid(token), path=_PATH)
    try:
        # In the other form, which is no other store.
        await require_chunked(case, case.messages())
        opened = await ask_chunked(case, case.messages(), *in_chunks(message))
    except NotApplicable:
        opened = await ask_inside(case, message)
    if opened.inner.head.status < 400:
        raise Wrong("It took the same token twice.")
    require_refused(opened, 401)


@check("token.replay", "the very message is not served again", "RFC 9458, Section 6.5")
async def _replay(case: Case) -> None:
    _, (body, context) = await _used(case)
    try:
        opened = await ask_one_shot(case, case.messages(), body, context)
    except Wrong:
        return  # Refused in the clear.
    if opened.inner.head.status < 400:
        raise Wrong("It served a replayed message.")


@check(
    "token.stream", "an answer that streams arrives in pieces", "draft-ietf-ohai-chunked-ohttp-08, Section 3"
)
async def _stream(case: Case) -> str:
    tokens = await _granted(case)
    if len(tokens) < 2:
        raise NotApplicable("It is not known that the target is a chat model.")
    await require_chunked(case, case.messages())
    case.spent += 1
    opened = await ask_chunked(case, case.messages(), *in_chunks(await _question(case, tokens[1])))
    status = opened.inner.head.status
    media_type = opened.value(b"content-type").partition(b";")[0].strip().lower()
    if status == 401:
        raise Wrong("It refused a good token.")
    if status != 200 or media_type != b"text/event-stream":
        raise NotApplicable(f"The target does not answer as a chat model: {status} inside.")
    if len(opened.chunks) < 2:
        raise Wrong("The whole answer came in one chunk.")
    first, last = opened.chunks[0][0] * 1000, opened.chunks[-1][0] * 1000
    return f"{len(opened.chunks)} chunks, the first after {first:.0f} ms, the last after {last:.0f} ms"


async def _tokens(case: Case) -> list[Token]:
    """Return the tokens of this examination, each of them verified.

    Raises:
        NotApplicable: there is no account to ask with, or no gateway to spend them at.
        Untried: the account may have none, or there is nothing to ask for.
        Wrong, IssuerMisbehaved, DecodeError: what was granted are no tokens.
    """
    authorized(case)
    case.messages()
    return await case.once("tokens", lambda: _fetch(case, 1 if case.subject.model is None else 2))


async def _granted(case: Case) -> list[Token]:
    try:
        return await _tokens(case)
    except (NotApplicable, Untried, UpstreamError):
        raise
    except TacitaError:
        raise Untried("No token was granted that could be used.") from None


async def _fetch(case: Case, count: int) -> list[Token]:
    challenge = await case.challenge()
    try:
        directory = await case.directory()
        key = blind_rsa.load_public_key(directory.current_key(blind_rsa.TOKEN_TYPE, case.clock()).public_key)
    except TacitaError:
        raise Untried("The directory has no key to ask for tokens under.") from None
    made = [blind_rsa.request(challenge.encode(), key) for _ in range(count)]
    answer = await case.visitor.ask(
        "POST",
        await request_url(case),
        [
            (b"content-type", batch.REQUEST_MEDIA_TYPE.encode()),
            (b"accept", batch.RESPONSE_MEDIA_TYPE.encode()),
            authorized(case),
        ],
        GenericBatchTokenRequest(tuple(request.encode() for request, _ in made)).encode(),
    )
    if answer.status in {401, 403}:
        raise Untried("The issuer does not take the account key.")
    if answer.status not in {200, 206} or answer.media_type != batch.RESPONSE_MEDIA_TYPE:
        raise Wrong(f"It answered {answer.status}, not with a batch of tokens.")
    case.fetched += count
    granted = GenericBatchTokenResponse.decode(answer.body, limit=count).token_responses
    if len(granted) != count or None in granted:
        raise Wrong("It granted another number of tokens than it was asked for.")
    tokens = []
    for one, (_, pending) in zip(granted, made, strict=True):
        if one is None or one.token_type != blind_rsa.TOKEN_TYPE:
            raise IssuerMisbehaved("The issuer answered with another type of token.")
        tokens.append(blind_rsa.finalize(pending, blind_rsa.TokenResponse.decode(one.token_response)))
    return tokens


_Sent = tuple[bytes, oneshot.ClientContext]


async def _first_use(case: Case) -> tuple[Opened, _Sent]:
    """Return the answer to the first use of the first token, and the message that it was used in."""

    async def make() -> tuple[Opened, _Sent]:
        token = (await _granted(case))[0]
        sent = await seal(case, asking(await case.target(), _paid(token), path=_PATH))
        case.spent += 1
        opened = await ask_one_shot(case, case.messages(), *sent)
        status = opened.inner.head.status
        if status == 401:
            raise Wrong("It refused a good token.")
        if status == 403:
            raise Untried("The gateway does not forward to the target that was named.")
        if status >= 500:
            # Such a token comes back.
            raise Untried(f"The target failed ({status} inside), so that the token was given back.")
        return opened, sent

    return await case.once("first use", make)


async def _used(case: Case) -> tuple[Opened, _Sent]:
    try:
        return await _first_use(case)
    except (NotApplicable, Untried, UpstreamError):
        raise
    except TacitaError:
        raise Untried("No token was taken a first time.") from None


def _paid(token: Token) -> tuple[bytes, bytes]:
    return b"authorization", auth.format_authorization(token)


async def _question(case: Case, token: Token) -> Request:
    content = json.dumps(
        {
            "model": case.subject.model,
            "messages": [{"role": "user", "content": "Say something."}],
            "max_tokens": _ANSWER_TOKENS,
            "stream": True,
        }
    ).encode()
    scheme, _, authority = (await case.target()).partition("://")
    fields = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"accept", b"text/event-stream"),
        _paid(token),
    )
    return Request(RequestHead(b"POST", scheme.encode(), authority.encode(), _CHAT_PATH, fields), content)


CHECKS: tuple[Check, ...] = (_issued, _accepted, _second_use, _replay, _stream)
