"""What the issuer and its HSM process say to each other over two pipes.

Each message is a frame: its length in four bytes, one byte that says what it is, and the rest.

    issuer -> process                             process -> issuer
    SETUP   JSON: module, token, PIN file         OK
    KEY     label                                 OK  SubjectPublicKeyInfo
    MAKE    label                                 OK
    DESTROY label                                 OK  (when there is no such key, too)
    SIGN    label length, label, key id, messages OK  signatures, as long as the messages together
                                                  or FAILED, UNREACHABLE, UNUSABLE and a sentence

Requests are answered in order, one at a time. Both ends run the same code of one version, so
there is no version in it; a frame that cannot be right ends the process, which is started anew.
"""

import os
import select
import time
from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

__all__ = ["MAX_FRAME", "Broken", "Clock", "Kind", "read_frame", "write_frame"]

MAX_FRAME = 1 << 23
"""Bytes in a frame: more than the largest batch that can be configured, 10,000 messages, under 4096 bits."""

_HEADER = 5

Clock: TypeAlias = Callable[[], float]
"""Returns seconds that never go back."""


class Kind(IntEnum):
    """What a frame is."""

    SETUP = 1
    KEY = 2
    SIGN = 3
    MAKE = 4
    DESTROY = 5
    OK = 16
    FAILED = 17
    UNREACHABLE = 18
    UNUSABLE = 19


class Broken(Exception):
    """The other end is gone, too slow, or says what it cannot mean."""


def write_frame(
    descriptor: int,
    kind: Kind,
    content: bytes = b"",
    *,
    seconds: float | None = None,
    clock: Clock = time.monotonic,
) -> None:
    """Write a frame to a pipe, within `seconds` if given (the pipe then has to be non-blocking).

    Raises:
        Broken: nobody reads it, or not in time.
    """
    rest = memoryview((1 + len(content)).to_bytes(4, "big") + bytes((kind,)) + content)
    end = None if seconds is None else clock() + seconds
    while rest:
        _wait(descriptor, select.POLLOUT, end, clock)
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            continue
        except OSError:
            raise Broken from None


def read_frame(
    descriptor: int, *, seconds: float | None = None, clock: Clock = time.monotonic
) -> tuple[Kind, bytes]:
    """Read a frame from a pipe, within `seconds` if given.

    Raises:
        Broken: nobody writes any more, or not in time, or something that is no frame.
    """
    end = None if seconds is None else clock() + seconds
    header = _read(descriptor, _HEADER, end, clock)
    length = int.from_bytes(header[:4], "big")
    if not 1 <= length <= MAX_FRAME or header[4] not in set(Kind):
        raise Broken
    return Kind(header[4]), _read(descriptor, length - 1, end, clock)


def _read(descriptor: int, length: int, end: float | None, clock: Clock) -> bytes:
    content = bytearray()
    while len(content) < length:
        _wait(descriptor, select.POLLIN, end, clock)
        try:
            piece = os.read(descriptor, length - len(content))
        except OSError:
            raise Broken from None
        if not piece:
            raise Broken
        content += piece
    return bytes(content)


def _wait(descriptor: int, event: int, end: float | None, clock: Clock) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = None if end is None else max(0.0, end - clock()) * 1000
    if not poll.poll(left):
        raise Broken
