"""Lua scripts in Redis: each call is atomic, and any number of calls is one round trip."""

from collections.abc import Sequence
from hashlib import sha1

from redis.exceptions import NoScriptError

from tacita.service.redis.address import Link
from tacita.service.redis.server import ask

__all__ = ["Script", "ScriptCall", "run"]


class Script:
    """The `text` of a script, and the digest by which a server knows it that has seen it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.digest = sha1(text, usedforsecurity=False).hexdigest().encode()

    def call(self, keys: Sequence[bytes], arguments: Sequence[bytes | int] = ()) -> "ScriptCall":
        """Return a call with `keys` as KEYS and `arguments` as ARGV."""
        return self, [len(keys), *keys, *arguments]


ScriptCall = tuple[Script, list[bytes | int]]


async def run(link: Link, calls: Sequence[ScriptCall]) -> list[object]:
    """Make `calls` in their order, in one round trip; return their replies.

    A server that has forgotten a script (it restarted) has done nothing for that call, which is then made
    after the others. Raises `RedisError` for the first call that failed; the others may have been made.
    """
    await link.send_packed_command(
        link.pack_commands([b"EVALSHA", script.digest, *rest] for script, rest in calls)
    )
    replies: list[object] = []
    forgotten: list[int] = []
    for place in range(len(calls)):
        try:
            replies.append(await link.read_response(disable_decoding=True))
        except NoScriptError:
            replies.append(None)
            forgotten.append(place)
    for place in forgotten:
        script, rest = calls[place]
        replies[place] = await ask(link, [b"EVAL", script.text, *rest])
    return replies
