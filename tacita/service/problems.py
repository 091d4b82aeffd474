"""The one place where an error becomes an HTTP answer: a problem document (RFC 9457)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from tacita.errors import ConfigError, TacitaError
from tacita.net.message import Answer, Render
from tacita.service.logs import Logger

__all__ = ["CONTENT_TYPE", "Problem", "middleware", "problem", "renderer", "web_response"]

CONTENT_TYPE = "application/problem+json"

_DEFECT = "The service failed; its log names the place."

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document, ready to be sent: `status`, `body` (JSON) and further header `fields`."""

    status: int
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


def problem(error: TacitaError) -> Problem:
    """Return `error` as a problem document; `error.fields`, where it has them, become header fields.

    What a `ConfigError` says is for the operator alone: it names files.
    """
    detail = _DEFECT if isinstance(error, ConfigError) else str(error)
    return Problem(
        error.status, _document(error.status, detail, error.problem_type), getattr(error, "fields", {})
    )


def web_response(error: TacitaError) -> web.Response:
    """Return `error` as an aiohttp response."""
    return _response(problem(error))


def middleware(log: Logger) -> Middleware:
    """Return the middleware that answers for whatever a handler raised.

    Defects, errors of the tree with status 500 among them, are logged by type and place only. A
    connection that broke is no defect: nobody is there to be answered.
    """

    @web.middleware
    async def answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TacitaError as error:
            if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                log.internal_error(error)
            return web_response(error)
        except web.HTTPException as error:
            return _from_aiohttp(error)
        except ConnectionError:
            raise
        except Exception as error:
            log.internal_error(error)
            return web_response(TacitaError(_DEFECT))

    return answer


def renderer(log: Logger) -> Render:
    """Return what answers for whatever a handler of the fast lane raised, as `middleware` does."""

    def render(error: Exception) -> Answer:
        if not isinstance(error, TacitaError):
            # A connection that broke is no defect, and nobody reads the answer.
            if not isinstance(error, ConnectionError):
                log.internal_error(error)
            error = TacitaError(_DEFECT)
        elif error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.internal_error(error)
        told = problem(error)
        fields = tuple((name.encode(), value.encode()) for name, value in _fields(told).items())
        return Answer(told.status, fields, told.body)

    return render


def _from_aiohttp(error: web.HTTPException) -> web.Response:
    detail = {
        404: "There is nothing at this path.",
        405: "This path does not take that method; see Allow.",
        413: "The body is longer than this service takes.",
    }.get(error.status, "The request was refused.")
    fields = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return _response(Problem(error.status, _document(error.status, detail), fields))


def _document(status: int, detail: str, problem_type: str = "about:blank") -> bytes:
    title = HTTPStatus(status).phrase
    document = {"type": problem_type, "title": title, "status": status, "detail": detail}
    return json.dumps(document, separators=(",", ":")).encode()


def _response(problem: Problem) -> web.Response:
    response = web.Response(status=problem.status, body=problem.body, headers=_fields(problem))
    if response.headers.get("Connection", "") == "close":
        # aiohttp would say so and go on reading.
        response.force_close()
    return response


def _fields(problem: Problem) -> dict[str, str]:
    return {**problem.fields, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
