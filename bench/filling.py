"""Many spent entries put into a Redis at once, in the form in which the gateway's script writes them."""

import os
import socket
import time

from gateway.stores.calls import COMMITTED, Call, Verb
from gateway.stores.redis_script import shard_of

__all__ = ["fill", "info"]

_SHARDS = 256
_EACH = 500
"""Entries for each command: some ten thousand bytes."""


def fill(path: str, key_id: bytes, count: int) -> None:
    """Add about `count` spent tokens of the issuer key `key_id` to the Redis at the unix socket `path`."""
    expires = int(time.time()) + 86_400
    each = -(-count // _SHARDS)
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        answers = link.makefile("rb")
        for first in range(_SHARDS):
            shard = shard_of(Call(Verb.RESERVE, key_id, bytes([first]) + bytes(31), expires, 0))
            commands = [_set(shard, first, min(_EACH, each - done)) for done in range(0, each, _EACH)]
            commands.append(_command(b"EXPIREAT", shard, b"%d" % expires))
            for command in commands:
                link.sendall(command)
                if not (answer := answers.readline()).startswith(b":"):
                    raise RuntimeError(f"Redis said {answer!r}")


def info(path: str, section: str) -> dict[str, str]:
    """Return what this Redis says in a section of INFO."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        link.sendall(_command(b"INFO", section.encode()))
        answers = link.makefile("rb")
        text = answers.read(int(answers.readline()[1:])).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _set(shard: bytes, first: int, count: int) -> bytes:
    random = os.urandom(31 * count)
    entry = b"$2\r\n" + COMMITTED.encode() + b"0\r\n"
    begin = b"$32\r\n" + bytes([first])
    fields = [b"%b%b\r\n%b" % (begin, random[at : at + 31], entry) for at in range(0, 31 * count, 31)]
    head = b"*%d\r\n$4\r\nHSET\r\n$%d\r\n%b\r\n" % (2 + 2 * count, len(shard), shard)
    return head + b"".join(fields)


def _command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
