"""The model: llama.cpp in this process, by way of xllamacpp.

Of the engine's two doors, its HTTP server and a call in the process, this is the
call. It saves a second HTTP hop; no prompt crosses a socket; and its callback can
end a generation at every token and, since progress is reported, at every batch of
the prompt, which the HTTP server only notices when it next looks at its connection.

The engine opens its server all the same and cannot be told not to. It gets a unix
socket in a folder that only we may enter, a random key that nobody is told, and once
it is up the folder is removed: what listens has no name left to connect to.

Nothing of one conversation reaches the next: prompt cache, cache in memory, reuse by
shifting and saving of idle slots are all off (R27), so that each prompt is computed
from its first token. (Until the next prompt overwrites it, the last one's state stays
in this process's memory.) The engine's log is off, and what it says about a failure
goes nowhere, since both may quote a prompt (R4).
"""

import asyncio
import contextlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xllamacpp

from node.admission import Admission
from node.answers import Usage
from node.chat import ChatRequest
from node.errors import EngineFailed, NodeError, PromptTooLong, WeightsError

__all__ = ["End", "Engine", "Text"]

_BATCH_TOKENS = 128
"""Tokens of a prompt computed at once, so the longest stretch without a chance to stop. Larger ones were
not faster with small models on CPUs."""

_LONGEST_TEMPORARY = 60
_RANDOM_SEED = 2**32 - 1
"""LLAMA_DEFAULT_SEED, by which the engine means "choose one"; a client's seed must not become it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A further piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The answer has ended: `finish_reason` is "stop" or "length"."""

    finish_reason: str
    usage: Usage


class Engine:
    """A loaded model that gives as many answers at a time as `admission` has places.

    `context_tokens` bounds prompt and answer together, `answer_seconds` one answer's time,
    `threads` is how many compute (0: one a core, less one). `close` it at the end.
    """

    def __init__(
        self,
        weights: Path,
        admission: Admission,
        *,
        context_tokens: int = 2048,
        answer_seconds: float = 60.0,
        threads: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model.

        Raises:
            WeightsError: the engine cannot load `weights`.
        """
        self.admission = admission
        self._seconds = answer_seconds
        self._clock = clock
        self._server: Any = _load(weights, admission.places, context_tokens, threads)
        self._workers = ThreadPoolExecutor(admission.places, thread_name_prefix="engine")

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Text | End, None]:
        """Yield the answer's pieces and then its `End`. Use inside `contextlib.aclosing`.

        Closing the generator early stops the model, and returns once it has stopped. The place at
        the model is free as soon as the model has ended, however slowly the pieces are taken
        (they are no more than the answer's tokens).

        Raises:
            Busy: there is no place, and none came free in time.
            PromptTooLong: the prompt has more tokens than the context.
            EngineFailed
        """
        await self.admission.enter()
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Text | End | NodeError] = asyncio.Queue()
        generation = _Generation(
            emit=lambda event: loop.call_soon_threadsafe(events.put_nowait, event),
            deadline=self._clock() + self._seconds,
            clock=self._clock,
        )
        job = loop.run_in_executor(self._workers, generation.run, self._server, _engine_request(request))
        job.add_done_callback(lambda _job: self.admission.leave())
        try:
            while True:
                event = await events.get()
                if isinstance(event, NodeError):
                    raise event
                yield event
                if isinstance(event, End):
                    return
        finally:
            generation.cancel()
            await asyncio.shield(job)

    def close(self) -> None:
        """Let go of the model, once what it is doing has ended."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._server = None


class _Generation:
    """One run of the model on a worker's thread, ended by the model, a bound, or `cancel`."""

    def __init__(
        self, *, emit: Callable[[Text | End | NodeError], object], deadline: float, clock: Callable[[], float]
    ) -> None:
        self._emit = emit
        self._deadline = deadline
        self._clock = clock
        self._cancelled = threading.Event()
        self._usage = Usage()
        self._finish_reason: str | None = None
        self._failure: NodeError | None = None

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self, server: Any, request: Mapping[str, Any]) -> None:
        """Run to the end and emit it: an `End` or an error is the last event, whatever happens."""
        try:
            if not self._cancelled.is_set():
                server.handle_chat_completions(dict(request), self._take)
        except Exception:
            self._failure = EngineFailed("The model did not answer; try again.")
        if self._failure is None and self._finish_reason is None:
            self._failure = EngineFailed("The model stopped before its answer was complete; try again.")
        # A loop that is gone has nobody left who listens.
        with contextlib.suppress(RuntimeError):
            self._emit(self._failure or End(self._finish_reason or "stop", self._usage))

    def _take(self, chunk: Mapping[str, Any]) -> bool:
        """Take a chunk; return whether the engine shall stop. It would drop an exception without a word."""
        try:
            return self._read(chunk)
        except Exception:
            self._failure = EngineFailed("The model gave an answer that this node cannot read; try again.")
            return True

    def _read(self, chunk: Mapping[str, Any]) -> bool:
        if self._cancelled.is_set():
            return True
        if "error" in chunk:
            self._failure = _failure(chunk["error"])
            return True
        if timings := chunk.get("timings"):
            # Counted with every token, so that an answer that is cut short has its usage too.
            cached = timings["cache_n"]
            self._usage = Usage(cached + timings["prompt_n"], timings["predicted_n"], cached)
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                self._emit(Text(text))
            self._finish_reason = choice["finish_reason"] or self._finish_reason
        if self._finish_reason is None and self._clock() > self._deadline:
            self._finish_reason = "length"
            return True
        return False


def _failure(error: Mapping[str, Any]) -> NodeError:
    if error.get("type") == "exceed_context_size_error":
        return PromptTooLong("The prompt is longer than the context of the model.", param="messages")
    return EngineFailed("The model did not take the request; try again, or ask differently.")


def _engine_request(request: ChatRequest) -> dict[str, Any]:
    """Return the request as the engine reads it; `None` values are left out, so that its defaults hold."""
    wanted = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "seed": None if request.seed is None else request.seed % _RANDOM_SEED,
        "stop": list(request.stop) or None,
        "cache_prompt": False,
        "stream": True,
        "timings_per_token": True,
        "return_progress": True,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _socket_folder() -> str | None:
    """Return where to make the folder of the engine's socket, whose path may have 107 bytes (unix(7))."""
    return "/tmp" if len(tempfile.gettempdir()) > _LONGEST_TEMPORARY else None  # noqa: S108 - 0700 within


def _load(weights: Path, parallel: int, context_tokens: int, threads: int) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.n_parallel = parallel
    parameters.n_ctx = parallel * context_tokens
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
    # The engine's threads wait for each other by spinning, many times a token: with one a core, whatever
    # else runs takes turns with them and two cores become many times slower than one.
    count = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = count
    # No state of one request for the next (R27).
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    parameters.n_cache_reuse = 0
    parameters.n_ctx_checkpoints = 0
    # Nothing is written down (R4), no endpoint tells about requests, and nothing is fetched.
    parameters.verbosity = -1
    parameters.endpoint_slots = False
    parameters.endpoint_metrics = False
    parameters.endpoint_props = False
    parameters.ui = False
    parameters.offline = True
    # The answer as the model gives it: no reasoning or tool calls taken out, no answer begun by the client.
    parameters.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    parameters.force_pure_content_parser = True
    parameters.prefill_assistant = False
    parameters.n_threads_http = 1
    parameters.api_keys = [secrets.token_hex(32)]
    with tempfile.TemporaryDirectory(prefix="tacita-", dir=_socket_folder()) as folder:
        parameters.hostnames = [f"{folder}/engine.sock"]
        try:
            return xllamacpp.Server(parameters)
        except RuntimeError:
            raise WeightsError(f"The engine cannot load the weights {weights}.") from None
