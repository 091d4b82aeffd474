"""Lua scripts in Redis: each call is atomic, and any number of calls is one round trip."""

from collections.abc import Sequence
from hashlib import sha1

from redis.exceptions import NoScriptError, ResponseError

from tacita.service.redis.address import Link

__all__ = ["Script", "ScriptCall", "key_of", "packed", "run"]


class Script:
    """The `text` of a script, and the digest by which a server knows it that has seen it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.digest = sha1(text, usedforsecurity=False).hexdigest().encode()

    def call(self, keys: Sequence[bytes], arguments: Sequence[bytes | int] = ()) -> "ScriptCall":
        """Return a call with `keys`, which are one at least, as KEYS and `arguments` as ARGV."""
        return self, [len(keys), *keys, *arguments]


_ASKING = (b"ASKING",)

ScriptCall = tuple[Script, list[bytes | int]]


def key_of(call: ScriptCall) -> bytes:
    """Return the first key of `call`, which tells where it is to be made."""
    key = call[1][1]
    assert isinstance(key, bytes)
    return key


async def run(link: Link, calls: Sequence[ScriptCall], *, asking: bool = False) -> list[object]:
    """Make `calls` in their order, in one round trip; return their replies.

    A call that the server has refused has its `ResponseError` in place of a reply. A server that has
    forgotten a script (it restarted) has done nothing for that call, which is then made after the others.
    `asking` makes each call of a slot that is on its way to this node of a cluster.

    Raises `RedisError` and `OSError` where the connection is of no more use.
    """
    replies = await _ask(link, [[b"EVALSHA", script.digest, *rest] for script, rest in calls], asking)
    forgotten = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if forgotten:
        again = [[b"EVAL", calls[place][0].text, *calls[place][1]] for place in forgotten]
        for place, reply in zip(forgotten, await _ask(link, again, asking), strict=True):
            replies[place] = reply
    return replies


def packed(command: Sequence[bytes | int]) -> bytes:
    """Return `command` as it goes out: an array of bulk strings. The library takes five times as long."""
    parts = [part if isinstance(part, bytes) else b"%d" % part for part in command]
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


async def _ask(link: Link, commands: Sequence[Sequence[bytes | int]], asking: bool) -> list[object]:
    if asking:
        commands = [part for command in commands for part in (_ASKING, command)]
    await link.send_packed_command([b"".join(map(packed, commands))])
    replies: list[object] = []
    for _ in commands:
        try:
            replies.append(await link.read_response(disable_decoding=True))
        except ResponseError as error:
            replies.append(error)
    return replies[1::2] if asking else replies
