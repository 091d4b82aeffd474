"""The two programs in docs/issuer.md, section Embedding, do what the text around them says."""

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from support import rsa
from support.issuers import ask_batch, ask_one

from issuer.directory import WELL_KNOWN
from issuer.token_requests import PATH
from tacita.privacypass.directory import IssuerDirectory

_TEXT = (Path(__file__).resolve().parents[2] / "docs" / "issuer.md").read_text()
_PROGRAMS = re.findall(r"```python\n(.*?)```", _TEXT.partition("\n## Embedding\n")[2], re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the key that the programs read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "issuer.pem").write_bytes(rsa.private_key(0).to_pem())
    return tmp_path


def run(program: str) -> dict[str, Any]:
    """Return the names that `program` makes."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(program, "docs/issuer.md", "exec"), names)  # noqa: S102 (our own document)
    return names


def test_there_are_two_programs_and_the_second_is_short() -> None:
    assert len(_PROGRAMS) == 2
    assert _PROGRAMS[1].count("\n") < 55
    # Embedders of the core import from the library only.
    assert not re.search(r"^(from|import) (?!tacita|asyncio|pathlib)", _PROGRAMS[1], re.MULTILINE)


async def test_mounted_in_an_aiohttp_application(folder: Path) -> None:
    runner = web.AppRunner(run(_PROGRAMS[0])["app"], access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/tokens"
    asked, member = ask_batch(60), {"Cookie": "session=4711"}
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(base + WELL_KNOWN) as response:
                directory = IssuerDirectory.from_json(await response.read())
            assert directory.issuer_request_uri == "https://members.example/tokens/token-request"
            for _ in range(2):
                async with session.post(
                    base + PATH, data=asked.body, headers=asked.headers | member
                ) as response:
                    assert len(asked.tokens(await response.read())) == 60
            more = ask_batch(60)
            async with session.post(base + PATH, data=more.body, headers=more.headers | member) as response:
                assert response.status == 429
            async with session.post(base + PATH, data=more.body, headers=more.headers) as response:
                assert response.status == 401
    finally:
        await runner.cleanup()


App = Callable[..., Awaitable[None]]


async def call(
    app: App, body: bytes, headers: Mapping[str, str], *, path: str = PATH
) -> list[dict[str, Any]]:
    """Send one request to an ASGI application, its body in three pieces; return what it sends."""
    third = len(body) // 3 + 1
    pieces = [body[at : at + third] for at in range(0, len(body), third)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return sent


async def test_as_an_asgi_application(folder: Path) -> None:
    app = run(_PROGRAMS[1])["app"]
    account = {"Authorization": "Bearer secret"}
    for asked in (ask_one(), ask_batch(100)):
        start, body = await call(app, asked.body, asked.headers | account)
        assert (start["type"], start["status"]) == ("http.response.start", 200)
        assert dict(start["headers"])[b"cache-control"] == b"no-store"
        assert body["type"] == "http.response.body"
        assert len(asked.tokens(body["body"])) in {1, 100}
    refused = ask_batch(100)
    for body, headers, status in (
        (refused.body, refused.headers | account, 429),
        (refused.body, refused.headers, 401),
        (ask_batch(101).body, refused.headers | account, 413),
        (b"", refused.headers | account, 422),
        (refused.body, account, 415),
        (ask_one(rsa.private_key(1).public_key).body, ask_one().headers | account, 422),
    ):
        start, problem = await call(app, body, headers)
        assert start["status"] == status
        assert dict(start["headers"])[b"content-type"] == b"text/plain"
        assert problem["body"]
    assert await call(app, b"", account, path="/elsewhere") == []


async def test_a_failure_of_the_signer_gives_the_tokens_back(folder: Path) -> None:
    damaged = rsa.damaged(rsa.private_key(0), dmp1=2, d=2)
    names = run(_PROGRAMS[1])
    keys = names["IssuingKeys"]([names["IssuingKey"](names["best_signer"](damaged), 0, may_issue=True)])
    names["KEYS"] = keys
    asked = ask_batch(10)
    start, _ = await call(names["app"], asked.body, asked.headers | {"Authorization": "Bearer secret"})
    assert start["status"] == 500
    assert names["BUDGET"] == {b"Bearer secret": 150}
