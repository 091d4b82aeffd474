"""What the node refuses or cannot do: leaves of the one error tree.

An OpenAI client does not read problem documents. It wants `{"error": {"message",
"type", "param", "code"}}`, so each leaf also carries that `error_type` and `code`,
and the name of the request's `param` that is wrong: always a name that this
package wrote down, never one that the peer sent.
"""

from collections.abc import Mapping
from typing import ClassVar

from tacita.errors import ConfigError, TacitaError

__all__ = [
    "BadRequest",
    "BodyTooLong",
    "BodyTooSlow",
    "Busy",
    "EngineFailed",
    "ModelNotFound",
    "NodeError",
    "PromptTooLong",
    "Unsupported",
    "UnsupportedMediaType",
    "WeightsError",
]


class NodeError(TacitaError):
    """A chat completion that is not given. `param` names the field of the request that is to blame."""

    clause = "OpenAI API, Errors"
    error_type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    fields: ClassVar[Mapping[str, str]] = {}

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class BadRequest(NodeError):
    """The request is not a chat completion request, or a value in it is out of range."""

    status = 400
    error_type = "invalid_request_error"


class Unsupported(BadRequest):
    """The request asks for something that this node does not do; ignoring it would change the answer."""

    code = "unsupported_parameter"


class ModelNotFound(BadRequest):
    """The request names a model that this node does not serve."""

    status = 404
    code = "model_not_found"


class PromptTooLong(BadRequest):
    """The prompt does not fit the context of the model."""

    code = "context_length_exceeded"


class BodyTooLong(BadRequest):
    """The body has more bytes than the configured bound."""

    status = 413
    code = "request_too_large"


class BodyTooSlow(BadRequest):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class UnsupportedMediaType(BadRequest):
    """The body is not declared as JSON."""

    status = 415


class Busy(NodeError):
    """Every place at the model is taken, and the line for one is full or did not move in time."""

    status = 503
    code = "overloaded"
    fields: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class EngineFailed(NodeError):
    """The model did not answer. What it said about the reason is not passed on: it may quote the prompt."""

    status = 500
    code = "engine_failed"


class WeightsError(ConfigError):
    """The model's weights are missing, altered, or not what the engine can load."""
