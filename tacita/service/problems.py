"""The one place where an error becomes an HTTP answer: a problem document (RFC 9457)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from tacita.errors import TacitaError
from tacita.service.logs import Logger

__all__ = ["CONTENT_TYPE", "Problem", "middleware", "problem", "web_response"]

CONTENT_TYPE = "application/problem+json"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document, ready to be sent: `status`, `body` (JSON) and further header `fields`."""

    status: int
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


def problem(error: TacitaError) -> Problem:
    """Return `error` as a problem document; `error.fields`, where it has them, become header fields."""
    title = HTTPStatus(error.status).phrase
    document = {"type": error.problem_type, "title": title, "status": error.status, "detail": str(error)}
    body = json.dumps(document, separators=(",", ":")).encode()
    return Problem(error.status, body, getattr(error, "fields", {}))


def web_response(error: TacitaError) -> web.Response:
    """Return `error` as an aiohttp response."""
    rendered = problem(error)
    return web.Response(
        status=rendered.status,
        body=rendered.body,
        headers={**rendered.fields, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
    )


def middleware(log: Logger) -> Middleware:
    """Return the middleware that answers for whatever a handler raised.

    Defects are logged by type and place only and answered with a 500 that says nothing else.
    """

    @web.middleware
    async def answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TacitaError as error:
            return web_response(error)
        except web.HTTPException as error:
            return _from_aiohttp(error)
        except Exception as error:
            log.internal_error(error)
            return web_response(TacitaError("The service failed; its log names the place."))

    return answer


def _from_aiohttp(error: web.HTTPException) -> web.Response:
    detail = {
        404: "There is nothing at this path.",
        405: "This path does not take that method; see Allow.",
        413: "The body is longer than this service takes.",
    }.get(error.status, "The request was refused.")
    document = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": detail,
    }
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return web.Response(
        status=error.status,
        body=json.dumps(document, separators=(",", ":")).encode(),
        headers={**allow, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
    )
