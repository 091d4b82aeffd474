"""Every error of the tree as a problem document, and the middleware."""

import importlib
import inspect
import io
import json
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tacita.errors import ConfigError, TacitaError
from tacita.service.logs import Logger
from tacita.service.problems import CONTENT_TYPE, middleware, problem

CANARY = "canary-40aa"
ROOMS = ("tacita", "relay", "gateway", "issuer", "node")

# Rooms in which a specification demands every refusal of what a peer sent.
PROTOCOL = ("tacita.bhttp", "tacita.ohttp", "tacita.privacypass.errors")
# What stays inside: our own mistakes, and what becomes another error before it leaves its room.
INSIDE = {"OutOfOrder", "ExchangeClosed", "InvalidChunk", "MissingFinalChunk"}


def import_everything() -> None:
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def tree() -> list[type[TacitaError]]:
    import_everything()

    def below(kind: type[TacitaError]) -> Iterator[type[TacitaError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    found = {kind for kind in below(TacitaError) if kind.__module__.partition(".")[0] in ROOMS}
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


TREE = tree()

_ARGUMENTS: dict[str, Any] = {
    "now": 1_700_000_000.0,
    "frees": 1_700_000_100.0,
    "www_authenticate": "PrivateToken challenge=x",
    "inner_status": 400,
    "detail": CANARY,
    "left": 5,
}


def made(kind: type[TacitaError]) -> TacitaError:
    """Make an error of this kind, with what its signature wants."""
    if kind.__init__ is TacitaError.__init__:
        return kind("Something happened; do this.")
    arguments = []
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if name == "period":
            from issuer.period import Period

            arguments.append(Period.at(1_700_000_000, 86_400))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            arguments.append("Something happened; do this.")
        else:
            arguments.append(_ARGUMENTS.get(name, "Something happened; do this."))
    return kind(*arguments)


def test_the_tree_is_large() -> None:
    assert len(TREE) > 80


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_each_kind_of_error_is_a_problem_document(kind: type[TacitaError]) -> None:
    error = made(kind)
    rendered = problem(error)
    assert 400 <= rendered.status <= 599
    document = json.loads(rendered.body)
    assert document["status"] == rendered.status == kind.status
    assert document["title"] == HTTPStatus(kind.status).phrase
    assert document["type"] == "about:blank" or document["type"].startswith("https://")
    assert document["detail"].endswith(".")
    assert CANARY not in rendered.body.decode() + str(error) + repr(error)
    for name, value in rendered.fields.items():
        assert (name + value).isprintable()
    assert kind.__doc__ or kind.__name__.startswith("_"), "every error says what it means"


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_what_a_specification_demands_names_the_clause(kind: type[TacitaError]) -> None:
    if kind.__module__.startswith(PROTOCOL) and kind.__name__ not in INSIDE:
        assert kind.clause
    if kind.clause:
        assert kind.clause.startswith(("RFC ", "draft-", "HTML", "FIPS", "SP ", "C2SP", "PKCS", "OpenAI API"))


def test_a_configuration_error_tells_a_peer_no_path() -> None:
    rendered = problem(ConfigError(f"/etc/{CANARY} cannot be read."))
    assert CANARY.encode() not in rendered.body


class Refused(TacitaError):
    """A refusal with a field of its own."""

    status = 429
    problem_type = "https://problems.example/slow"
    fields = {"Retry-After": "5"}  # noqa: RUF012 (as the roles declare it)


async def answer_to(raised: BaseException) -> tuple[int, dict[str, str], dict[str, Any], str]:
    stream = io.StringIO()

    async def handler(_request: web.Request) -> web.Response:
        raise raised

    app = web.Application(middlewares=[middleware(Logger("relay", {}, stream=stream))])
    app.router.add_post("/x", handler)
    async with TestClient(TestServer(app)) as client, client.post("/x") as response:
        assert response.content_type == CONTENT_TYPE
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, dict(response.headers), await response.json(), stream.getvalue()


async def test_a_refusal_is_answered_and_not_logged() -> None:
    status, headers, document, logged = await answer_to(Refused("Too fast; wait."))
    assert status == 429
    assert headers["Retry-After"] == "5"
    assert document == {
        "type": "https://problems.example/slow",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too fast; wait.",
    }
    assert logged == ""


@pytest.mark.parametrize("raised", [ValueError(CANARY), TacitaError("Failed."), ConfigError(CANARY)])
async def test_a_defect_is_logged_by_kind_and_place(raised: Exception) -> None:
    status, _, document, logged = await answer_to(raised)
    assert status == 500
    assert CANARY not in json.dumps(document) + logged
    line = json.loads(logged)
    assert (line["event"], line["kind"]) == ("internal_error", type(raised).__name__)
    assert line["place"].startswith("test_problems.py:")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 405), ("GET", "/canary-40aa", 404)])
async def test_what_aiohttp_refuses_is_a_problem_too(method: str, path: str, status: int) -> None:
    app = web.Application(middlewares=[middleware(Logger("relay", {}))])

    async def handler(_request: web.Request) -> web.Response:
        return web.Response()

    app.router.add_post("/x", handler)
    async with TestClient(TestServer(app)) as client, client.request(method, path) as response:
        assert response.status == status
        assert response.content_type == CONTENT_TYPE
        assert CANARY not in await response.text()
        assert response.headers.get("Allow") == ("POST" if status == 405 else None)


async def test_a_connection_that_broke_is_no_defect() -> None:
    stream = io.StringIO()

    async def handler(_request: web.Request) -> web.Response:
        raise ConnectionResetError(CANARY)

    answer = middleware(Logger("relay", {}, stream=stream))
    with pytest.raises(ConnectionResetError):
        await answer(None, handler)  # type: ignore[arg-type]
    assert stream.getvalue() == ""
