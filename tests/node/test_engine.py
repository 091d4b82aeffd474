import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from node import weights
from node.admission import Admission
from node.chat import ChatRequest, Message
from node.engine import End, Engine
from node.errors import Busy, PromptTooLong, WeightsError

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "Write a very long story about a river, a mill and a cat."


class Clock:
    """The real clock, which can be made to jump, and counts how often it is read: once a chunk."""

    def __init__(self) -> None:
        self.readings = 0
        self.step = 0.0
        self._ahead = 0.0

    def __call__(self) -> float:
        self.readings += 1
        self._ahead += self.step
        return time.monotonic() + self._ahead


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def engine(clock: Clock) -> Iterator[Engine]:
    loaded = Engine(
        weights.find(),
        Admission(1, waiting=1, seconds=60),
        context_tokens=512,
        answer_seconds=60,
        clock=clock,
    )
    yield loaded
    loaded.close()


def ask(*texts: str, max_tokens: int = 4, temperature: float = 0.0, seed: int | None = None) -> ChatRequest:
    messages = tuple(Message("user", text) for text in texts)
    return ChatRequest(messages, max_tokens=max_tokens, temperature=temperature, seed=seed)


async def collect(engine: Engine, request: ChatRequest) -> tuple[list[str], End]:
    texts: list[str] = []
    async with aclosing(engine.answer(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, End):
                return texts, piece
            texts.append(piece.text)
    raise AssertionError("the answer had no end")


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what the other thread does has no event
        await asyncio.sleep(0.005)


async def test_an_answer_in_pieces(engine: Engine) -> None:
    texts, end = await collect(engine, ask("Count to ten.", max_tokens=8))
    assert len(texts) >= 3
    assert end.finish_reason == "length"
    assert end.usage.completion_tokens == 8
    assert end.usage.prompt_tokens > 0


async def test_an_answer_that_ends_by_itself(engine: Engine) -> None:
    prompt = (Message("user", "Count: one two three"),)
    request = ChatRequest(prompt, max_tokens=60, temperature=0, stop=("e",))
    texts, end = await collect(engine, request)
    assert end.finish_reason == "stop"
    assert "e" not in "".join(texts)


async def test_a_seed_repeats_an_answer(engine: Engine) -> None:
    request = ask("Say something.", max_tokens=6, temperature=1.5, seed=-42)
    assert (await collect(engine, request))[0] == (await collect(engine, request))[0]


async def test_no_token_of_a_prompt_is_reused(engine: Engine) -> None:
    """R27: with its defaults the engine reuses all but the last token of another request's prompt."""
    shared = "The secret of the house is under the third stone. " * 10
    usages = [
        (await collect(engine, ask(prompt, max_tokens=2)))[1].usage
        for prompt in (shared, shared, f"{shared} Where is it?")
    ]
    assert [usage.cached_tokens for usage in usages] == [0, 0, 0]
    assert usages[0].prompt_tokens == usages[1].prompt_tokens > 100


async def test_a_prompt_longer_than_the_context(engine: Engine) -> None:
    with pytest.raises(PromptTooLong):
        await collect(engine, ask("one two three " * 200))
    assert (await collect(engine, ask("hi")))[1].usage.completion_tokens > 0


async def test_an_answer_ends_where_the_context_ends(engine: Engine) -> None:
    _, end = await collect(engine, ask("tell " * 470, max_tokens=500))
    assert 480 < end.usage.prompt_tokens + end.usage.completion_tokens <= 512


async def test_closing_stops_the_model(engine: Engine, clock: Clock) -> None:
    before = clock.readings
    async with aclosing(engine.answer(ask(LONG, max_tokens=400))) as pieces:
        async for piece in pieces:
            assert not isinstance(piece, End)
            break
    assert clock.readings - before < 400
    stopped = clock.readings
    # Nothing goes on generating, and the place is free for the next one.
    assert (await collect(engine, ask("hi", max_tokens=1)))[1].usage.completion_tokens == 1
    assert clock.readings - stopped < 10
    await asyncio.sleep(0)
    assert engine.admission.running == 0


async def test_cancelling_stops_the_model_inside_a_long_prompt(engine: Engine, clock: Clock) -> None:
    before = clock.readings
    task = asyncio.create_task(collect(engine, ask("word " * 400 + LONG, max_tokens=400)))
    # One reading sets the deadline, the next one is of the first batch of the prompt.
    await until(lambda: clock.readings - before >= 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The rest of the prompt alone would be four more.
    assert clock.readings - before < 5
    assert (await collect(engine, ask("hi", max_tokens=1)))[1].usage.completion_tokens == 1


async def test_an_answer_has_a_time(engine: Engine, clock: Clock) -> None:
    clock.step = 20.0
    try:
        texts, end = await collect(engine, ask(LONG, max_tokens=200))
    finally:
        clock.step = 0.0
    assert end.finish_reason == "length"
    assert len(texts) < 10


async def test_one_at_a_time_one_waits_and_the_next_is_told_to_come_back(engine: Engine) -> None:
    async with aclosing(engine.answer(ask(LONG, max_tokens=400))) as pieces:
        await anext(pieces)
        waiter = asyncio.create_task(collect(engine, ask("hi", max_tokens=1)))
        await until(lambda: engine.admission.waiting == 1)
        with pytest.raises(Busy):
            await collect(engine, ask("hi"))
    assert (await waiter)[1].usage.completion_tokens == 1


async def test_a_slow_reader_does_not_keep_the_place(engine: Engine) -> None:
    async with aclosing(engine.answer(ask("Count to ten.", max_tokens=8))) as slow:
        await anext(slow)
        assert (await collect(engine, ask("hi", max_tokens=1)))[1].usage.completion_tokens == 1
        rest = [piece async for piece in slow]
    assert isinstance(rest[-1], End)


async def test_the_engine_leaves_our_signals_alone() -> None:
    """Some releases of the engine took SIGTERM for themselves, which would end it and not the node."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        engine = Engine(weights.find(), Admission(1, waiting=0, seconds=1), context_tokens=256)
        signal.raise_signal(signal.SIGTERM)
        assert received == [signal.SIGTERM]
        assert (await collect(engine, ask("hi", max_tokens=1)))[1].usage.completion_tokens == 1
        engine.close()
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(WeightsError, match="cannot load"):
        Engine(path, Admission(1, waiting=0, seconds=1))
