"""Routes and wiring of the node.

The model is loaded before the node listens anywhere: one that cannot be loaded, or
is not the configured one, is an exit code and not a service that is never ready.
"""

import time
from collections.abc import AsyncIterator, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node import weights
from node.admission import Admission
from node.answers import error_document, model_list
from node.completions import Completions
from node.config import NodeConfig
from node.engine import Engine
from node.errors import BadRequest
from tacita.errors import TacitaError
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "build", "create_app", "load_engine"]

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {"model_loaded": {"model": str, "seconds": float}}
"""What the node logs beyond the common events: nothing about any request."""


async def build(config: NodeConfig) -> Service:
    """Load the model and return the service.

    Raises:
        WeightsError: the weights are missing, altered, or not what the engine can load.
    """
    log = Logger("node", EVENTS)
    metrics = Metrics("node")
    begun = time.monotonic()
    engine = load_engine(config)
    log.event("model_loaded", model=config.model_name, seconds=round(time.monotonic() - begun, 3))
    return Service(
        app=create_app(config, engine, log, metrics),
        listen=config.listen,
        admin=config.admin,
        log=log,
        metrics=metrics,
        readiness=Readiness(),
        drain_seconds=config.drain_seconds,
        drain_notice_seconds=config.drain_notice_seconds,
    )


def load_engine(config: NodeConfig) -> Engine:
    """Return the engine with the configured weights, once they are known to be the right ones.

    Raises:
        WeightsError
    """
    limits = config.limits
    return Engine(
        weights.verify(weights.find(config.model_path), config.model_sha256),
        Admission(limits.parallel, waiting=limits.waiting, seconds=limits.waiting_seconds),
        context_tokens=limits.context_tokens,
        answer_seconds=limits.answer_seconds,
        threads=config.threads,
    )


def create_app(config: NodeConfig, engine: Engine, log: Logger, metrics: Metrics) -> web.Application:
    """Return the application. It closes `engine` when it is cleaned up."""
    completions = Completions(engine, model=config.model_name, limits=config.limits, metrics=metrics)
    models = model_list(config.model_name, int(time.time()))

    async def list_models(_request: web.Request) -> web.Response:
        return web.Response(text=models, content_type="application/json")

    async def close_engine(_app: web.Application) -> AsyncIterator[None]:
        yield
        engine.close()

    app = web.Application(middlewares=[_middleware(log)], client_max_size=config.limits.body_bytes)
    app.add_routes([web.post("/v1/chat/completions", completions.handle), web.get("/v1/models", list_models)])
    app.cleanup_ctx.append(close_engine)
    return app


def _middleware(log: Logger) -> Middleware:
    """Answer for whatever a handler raised, in the shape that OpenAI clients read."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TacitaError as error:
            return _refusal(error, error.status, getattr(error, "fields", {}))
        except web.HTTPException as error:
            sentence = {
                404: "There is nothing at this path.",
                405: "This path does not take that method; see Allow.",
            }.get(error.status, "The request was refused.")
            fields = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return _refusal(BadRequest(sentence), error.status, fields)
        except ConnectionError:
            raise
        except Exception as error:
            log.internal_error(error)
            return _refusal(TacitaError("The node failed; its log names the place."), 500, {})

    return answer


def _refusal(error: TacitaError, status: int, fields: Mapping[str, str]) -> web.Response:
    return web.Response(
        status=status,
        text=error_document(error),
        content_type="application/json",
        headers={**fields, "Cache-Control": "no-store"},
    )
