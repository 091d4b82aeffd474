"""R4: no error that the client raises holds a token, the question, the answer, a key or the credential.

Each way below leads to an error while peers do their worst: whatever they have heard, they say back.
"""

import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from support import targets
from support.canaries import Canaries
from support.worlds import World, served

from tacita.client import chat
from tacita.client.issuance import fetch_tokens, read_credential
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.errors import TacitaError
from tacita.privacypass import auth, batch
from tacita.privacypass.token import Token
from tacita.wire import sse

QUESTION = "canary-question-5e1f"
ANSWER = "canary-answer-77ab"


class Attempt:
    """Asks one question of a world; knows every secret in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tokens: list[Token] = []

    @asynccontextmanager
    async def session(self, origin: str | None = None) -> AsyncIterator[Session]:
        trust = await self.world.trust()
        endpoints = self.world.with_relay(origin) if origin else self.world.endpoints
        self.tokens = await fetch_tokens(self.world.endpoints.issuer, trust, self.world.credential, 1)
        with self.world.wallet() as opened:
            opened.add(self.tokens)
            async with Session(endpoints, trust, opened) as session:
                yield session

    async def ask(self, origin: str | None = None) -> None:
        message = {"role": "user", "content": QUESTION}
        async with self.session(origin) as session, aclosing(chat.stream(session, "m", [message])) as answer:
            async for _ in answer:
                pass

    def canaries(self) -> Canaries:
        secrets: dict[str, bytes | list[bytes]] = {
            "credential": self.world.credential.encode(),
            "question": QUESTION.encode(),
            "answer": ANSWER.encode(),
        }
        for token in self.tokens:
            secrets["nonce"] = token.nonce
            secrets["authenticator"] = [token.authenticator[:32], token.authenticator[-32:]]
            secrets["header"] = auth.format_authorization(token)
        return Canaries(secrets)


Way = Callable[[Attempt], Awaitable[None]]


def echoing(status: int, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.read() + ANSWER.encode() + str(request.headers).encode()
        return web.Response(status=status, body=body, headers={"Content-Type": media_type})

    return handler


async def target_says_it_back(attempt: Attempt) -> None:
    said = json.dumps({"error": {"message": f"{QUESTION} {ANSWER}"}}).encode()
    attempt.world.target.answer = targets.plain(said, status=400)
    await attempt.ask()


async def target_streams_garbage(attempt: Attempt) -> None:
    body = sse.encode(f'{{"choices": "{QUESTION} {ANSWER}"}}')
    attempt.world.target.answer = targets.plain(body, fields=b"Content-Type: text/event-stream\r\n")
    await attempt.ask()


async def target_streams_no_text(attempt: Attempt) -> None:
    body = f"data: {QUESTION} {ANSWER} ".encode() + b"\xff\n\n"
    attempt.world.target.answer = targets.plain(body, fields=b"Content-Type: text/event-stream\r\n")
    await attempt.ask()


async def target_fails_in_the_middle(attempt: Attempt) -> None:
    body = targets.event(ANSWER) + sse.encode(json.dumps({"error": {"message": QUESTION}}))
    attempt.world.target.answer = targets.plain(body, fields=b"Content-Type: text/event-stream\r\n")
    await attempt.ask()


async def target_breaks_off(attempt: Attempt) -> None:
    attempt.world.target.answer = targets.dying(ANSWER.encode())
    await attempt.ask()


async def target_says_what_is_no_http(attempt: Attempt) -> None:
    attempt.world.target.answer = targets.raw(f"{QUESTION} {ANSWER}\r\n\r\n".encode())
    await attempt.ask()


async def relay_says_it_back(attempt: Attempt) -> None:
    async with served(echoing(200, "message/ohttp-chunked-res")) as origin:
        await attempt.ask(origin)


async def relay_refuses(attempt: Attempt) -> None:
    async with served(echoing(422, "application/problem+json")) as origin:
        await attempt.ask(origin)


async def relay_is_gone(attempt: Attempt) -> None:
    async with served(echoing(200, "x/y")) as origin:
        pass
    await attempt.ask(origin)


async def wallet_fails(attempt: Attempt) -> None:
    async with attempt.session() as session:
        session._wallet._database.execute("PRAGMA query_only = ON")
        async with aclosing(chat.stream(session, "m", [{"role": "user", "content": QUESTION}])) as answer:
            await anext(answer)


async def wallet_is_empty(attempt: Attempt) -> None:
    async with attempt.session() as session:
        for _ in range(2):
            await anext(chat.stream(session, "m", [{"role": "user", "content": QUESTION}]), None)


async def issuer_says_it_back(attempt: Attempt) -> None:
    async with served(echoing(200, batch.RESPONSE_MEDIA_TYPE)) as origin:
        issuer = attempt.world.with_issuer(origin).issuer
        await fetch_tokens(issuer, await attempt.world.trust(), attempt.world.credential, 1)


async def issuer_refuses(attempt: Attempt) -> None:
    async with served(echoing(401, "text/plain")) as origin:
        issuer = attempt.world.with_issuer(origin).issuer
        await fetch_tokens(issuer, await attempt.world.trust(), attempt.world.credential, 1)


async def issuer_is_gone(attempt: Attempt) -> None:
    async with served(echoing(401, "text/plain")) as origin:
        pass
    issuer = attempt.world.with_issuer(origin).issuer
    await fetch_tokens(issuer, await attempt.world.trust(), attempt.world.credential, 1)


async def mirror_says_something_else(attempt: Attempt) -> None:
    async with served(echoing(200, "application/json")) as origin:
        await Trust.fetch(attempt.world.with_documents("mirror", challenge=f"{origin}/x"), tries=1)


async def credential_is_none(attempt: Attempt) -> None:
    path = attempt.world.folder / "bad.credential"
    path.write_bytes(f"{attempt.world.credential}\r\nX-More: {QUESTION}\xff".encode("latin-1"))
    path.chmod(0o600)
    read_credential(path)


WAYS: list[Way] = [
    target_says_it_back,
    target_streams_garbage,
    target_streams_no_text,
    target_fails_in_the_middle,
    target_breaks_off,
    target_says_what_is_no_http,
    relay_says_it_back,
    relay_refuses,
    relay_is_gone,
    wallet_fails,
    wallet_is_empty,
    issuer_says_it_back,
    issuer_refuses,
    issuer_is_gone,
    mirror_says_something_else,
    credential_is_none,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_no_error_says_a_secret(world: World, way: Way) -> None:
    attempt = Attempt(world)
    with pytest.raises(TacitaError) as raised:
        await way(attempt)
    error = raised.value
    told = [str(error), repr(error), repr(error.args), *traceback.format_exception(error)]
    # What is chained and suppressed is not printed by Python, but by some tools.
    chained: BaseException | None = error
    while chained is not None:
        told += [str(chained), repr(chained)]
        chained = chained.__cause__ or chained.__context__
    assert attempt.canaries().in_bytes("\n".join(told).encode()) == set()


async def test_the_parts_do_not_print(world: World, tmp_path: Path) -> None:
    attempt = Attempt(world)
    async with attempt.session() as session:
        told = repr((attempt.tokens, session, session._wallet, session._trust, world.endpoints))
    assert attempt.canaries().in_bytes(told.encode()) == set()
