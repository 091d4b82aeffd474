"""The root of the one error tree.

Every error that this project raises on purpose is a `TacitaError`. Leaves stand
in the room they belong to (`tacita.bhttp.errors`, `gateway.errors`, …) and carry
what an HTTP answer needs, so that one renderer (`tacita.service.problems`) can
turn any of them into a problem document (RFC 9457):

- `status`: the HTTP status of the answer,
- `problem_type`: the problem's type URI,
- `clause`: the specification that demands the refusal,
- `passing`: whether it may be over in a moment with nobody doing anything, so that trying again is right.

The message of an error is one sentence that says what happened and what to do.
It is written by us and never contains anything that a peer sent: no token, key,
prompt, address or id can reach a log by way of an exception.
"""

from typing import ClassVar

__all__ = ["ConfigError", "CryptoError", "DecodeError", "LimitExceeded", "TacitaError"]


class TacitaError(Exception):
    """Anything that Tacita refuses or could not do."""

    status: ClassVar[int] = 500
    problem_type: ClassVar[str] = "about:blank"
    clause: ClassVar[str] = ""
    passing: ClassVar[bool] = False


class DecodeError(TacitaError):
    """Bytes are not what their format says: truncated, trailing, or out of range."""

    status = 400


class CryptoError(TacitaError):
    """A key, ciphertext or signature is not acceptable. Says nothing about which part of it."""

    status = 422


class LimitExceeded(TacitaError):
    """A peer sent more than the configured bound."""

    status = 413


class ConfigError(TacitaError):
    """A configuration or state file cannot be used; the sentence names the file and the remedy."""
