"""The head of an answer, as it goes out: status line, the handler's fields, framing, Date."""

import time
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

from tacita.net.message import Field

__all__ = ["NO_CONTENT", "head"]

_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

NO_CONTENT = (204, 304)
"""Statuses whose answers have neither content nor framing (RFC 9110, section 6.4.1)."""


_MAX_KEPT = 256

_Key = tuple[int, tuple[Field, ...], int | None, bool]


class _Kept:
    """Heads of the present second. They change with their Date anyway, so that none is kept for longer."""

    second = -1
    heads: dict[_Key, bytes] = {}  # noqa: RUF012 - this class is the only instance


def head(status: int, fields: Iterable[Field], length: int | None, *, close: bool) -> bytes:
    """Return the head of an answer of `length` bytes; None: chunked. `close`: no other answer follows.

    Raises:
        ValueError: a field has a line break in it (our own mistake: nothing has been sent).
    """
    now = int(time.time())
    if now != _Kept.second or len(_Kept.heads) > _MAX_KEPT:
        _Kept.second = now
        _Kept.heads.clear()
    key = (status, tuple(fields), length, close)
    told = _Kept.heads.get(key)
    if told is None:
        told = _Kept.heads[key] = _head(*key, now)
    return told


def _head(status: int, fields: tuple[Field, ...], length: int | None, close: bool, now: int) -> bytes:
    lines = [_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    lines += [b"%b: %b\r\n" % field for field in fields]
    if status not in NO_CONTENT:
        lines.append(
            b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
        )
    lines.append(f"Date: {formatdate(now, usegmt=True)}\r\n".encode())
    if close:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    told = b"".join(lines)
    if not told.count(b"\r") == told.count(b"\n") == len(lines):
        raise ValueError("a field of an answer has a line break in it")
    return told
