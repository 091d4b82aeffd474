"""A log that cannot tell on anybody: event names and typed fields from an allow-list, nothing else.

    log = Logger("relay", {"upstream_failed": {"gateway": str, "reason": str}})
    log.event("upstream_failed", gateway="default", reason="timeout")

One JSON object a line, on standard error. A field's value comes from our own code or
from the operator's configuration, never from a peer. What libraries send to the
standard `logging` module is reduced to the logger's name, the level and the type and
place of the exception (`tame_libraries`), since their messages quote requests. So is an
exception that nobody caught, whose message Python would print.
"""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

__all__ = ["COMMON_EVENTS", "Logger", "Value", "tame_libraries"]

Value = str | int | float | bool

COMMON_EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    "starting": {"version": str},
    "ready": {},
    "not_ready": {"condition": str},
    "reloaded": {},
    "reload_failed": {"kind": str},
    "tls_files_taken": {},
    "draining": {"seconds": float},
    "stopped": {},
    "worker_ended": {"number": int, "code": int},
    "worker_hung": {"number": int},
    "workers_keep_ending": {"number": int},
    "internal_error": {"kind": str, "place": str},
    "library": {"logger": str, "level": str, "kind": str, "place": str},
}


class Logger:
    """Writes the events of one role. `events` maps each event's name to its fields and their types."""

    def __init__(
        self, role: str, events: Mapping[str, Mapping[str, type[Value]]], *, stream: TextIO | None = None
    ) -> None:
        self._role = role
        self._events = {**COMMON_EVENTS, **events}
        self._stream = stream
        self._stamp: dict[str, Value] = {}

    def stamp(self, *, worker: int) -> None:
        """Have each line say from now on which worker wrote it."""
        self._stamp = {"worker": worker}

    def event(self, name: str, **fields: Value) -> None:
        """Write one event. Raises `TypeError` for an event or field that is not listed (our own mistake)."""
        allowed = self._events.get(name)
        if allowed is None:
            raise TypeError(f"the event {name} is not on the allow-list of {self._role}")
        for field, value in fields.items():
            if field not in allowed or type(value) is not allowed[field]:
                raise TypeError(f"the field {field} of the event {name} is not on the allow-list")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = {"time": now, "role": self._role, **self._stamp, "event": name, **fields}
        line = json.dumps(told, separators=(",", ":"))
        # In one piece: workers share the stream, and a line break by itself may come behind another's line.
        stream = self._stream or sys.stderr
        stream.write(f"{line}\n")
        stream.flush()

    def internal_error(self, error: BaseException) -> None:
        """Record a defect by its type and place; its message may hold what a peer sent."""
        self.event("internal_error", kind=type(error).__name__, place=_place(error))


class _Reducer(logging.Handler):
    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log.event(
            "library",
            logger=record.name,
            level=record.levelname,
            kind=type(error).__name__ if error else "",
            place=_place(error) if error else f"{record.module}:{record.lineno}",
        )


def tame_libraries(log: Logger) -> None:
    """Send what libraries log, and exceptions that nobody caught, through `log`, without their words."""
    logging.basicConfig(handlers=[_Reducer(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)

    def uncaught(kind: type[BaseException], error: BaseException | None, _tb: TracebackType | None) -> None:
        log.internal_error(error or kind())

    def in_thread(args: "threading.ExceptHookArgs") -> None:
        uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def _place(error: BaseException) -> str:
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return "unknown"
    frame, line = frames[-1]
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}"
