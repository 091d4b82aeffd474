import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tacita.service.logs import COMMON_EVENTS, Logger, tame_libraries

CANARY = "canary-9f31"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Logger:
    return Logger(
        "relay", {"failed": {"reason": str, "count": int, "share": float, "ok": bool}}, stream=stream
    )


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_written_in_one_piece() -> None:
    """Several workers write to one stream, and each write is a moment in which another may come between."""

    class Written(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    pieces: list[str] = []
    log = Logger("relay", {}, stream=Written())
    log.event("ready")
    log.event("stopped")
    assert [json.loads(piece)["event"] for piece in pieces] == ["ready", "stopped"]
    assert all(piece.endswith("}\n") for piece in pieces)


def test_one_object_a_line(log: Logger, stream: io.StringIO) -> None:
    log.event("failed", reason='quote " and\nline', count=1, share=0.5, ok=True)
    log.event("ready")
    first, second = lines(stream)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "role": "relay",
        "event": "failed",
        "reason": 'quote " and\nline',
        "count": 1,
        "share": 0.5,
        "ok": True,
    }
    assert set(second) == {"time", "role", "event"}


def test_what_is_not_listed_is_not_written(log: Logger, stream: io.StringIO) -> None:
    with pytest.raises(TypeError, match="allow-list"):
        log.event(CANARY)
    with pytest.raises(TypeError, match="allow-list"):
        log.event("failed", prompt=CANARY)
    with pytest.raises(TypeError, match="allow-list"):
        log.event("ready", reason="x")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": 5},
        {"count": "5"},
        {"count": True},
        {"count": 5.0},
        {"share": 1},
        {"ok": 1},
        {"reason": None},
    ],
)
def test_a_value_has_the_type_of_its_field(log: Logger, stream: io.StringIO, fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        log.event("failed", **fields)
    assert stream.getvalue() == ""


def test_common_events_hold_no_text_of_a_peer() -> None:
    fields = {name for event in COMMON_EVENTS.values() for name in event}
    assert fields == {
        "code",
        "condition",
        "kind",
        "level",
        "logger",
        "number",
        "place",
        "seconds",
        "version",
    }


def test_a_defect_is_its_type_and_place(log: Logger, stream: io.StringIO) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        log.internal_error(error)
    log.internal_error(KeyError(CANARY))
    first, second = lines(stream)
    assert (first["kind"], second["kind"], second["place"]) == ("ValueError", "KeyError", "unknown")
    assert first["place"].startswith("test_logs.py:")
    assert CANARY not in stream.getvalue()


@pytest.fixture
def tamed(log: Logger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logger]:
    """Reduce everything for one test, and let pytest have its handlers back."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    tame_libraries(log)
    yield log
    logging.captureWarnings(capture=False)


def test_of_what_libraries_say_the_words_are_left_out(tamed: Logger, stream: io.StringIO) -> None:
    logger = logging.getLogger("some.library")
    logger.warning("asked for %s", CANARY)
    logger.error(CANARY, stack_info=True, extra={"prompt": CANARY})
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception(CANARY)
    logger.critical(CANARY, exc_info=KeyError(CANARY))
    logger.info(CANARY)
    logger.setLevel(logging.DEBUG)
    logger.debug(CANARY)
    said = lines(stream)
    assert [line["level"] for line in said] == ["WARNING", "ERROR", "ERROR", "CRITICAL"]
    assert [line["kind"] for line in said] == ["", "", "ValueError", "KeyError"]
    assert {line["logger"] for line in said} == {"some.library"}
    assert CANARY not in stream.getvalue()


def test_a_warning_is_a_line_without_its_words(tamed: Logger, stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(CANARY, UserWarning, stacklevel=1)
    (line,) = lines(stream)
    assert (line["event"], line["logger"]) == ("library", "py.warnings")
    assert CANARY not in stream.getvalue()


async def test_a_task_that_failed_unseen(tamed: Logger, stream: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(CANARY)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    (line,) = lines(stream)
    assert (line["logger"], line["kind"]) == ("asyncio", "ValueError")
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize(
    "failing",
    [
        "raise ValueError(CANARY)",
        "t = threading.Thread(target=fail, args=[CANARY]); t.start(); t.join()",
        "class Bad:\n    def __del__(self): raise ValueError(CANARY)\nBad()",
    ],
    ids=["main", "thread", "destructor"],
)
def test_what_nobody_catches_is_not_printed(failing: str) -> None:
    program = f"""
import threading
from tacita.service.logs import Logger, tame_libraries
CANARY = "{CANARY}"
def fail(text): raise ValueError(text)
tame_libraries(Logger("relay", {{}}))
{failing}
"""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["kind"] == "ValueError"
    assert CANARY not in done.stdout + done.stderr
