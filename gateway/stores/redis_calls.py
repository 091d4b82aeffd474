"""What the stores in Redis share: from a batch of calls to scripts, and errors in the words of a store."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tacita.privacypass.spent import StoreUnavailable
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.protocol import Redis
from tacita.service.redis.scripts import ScriptCall

__all__ = ["in_our_words", "run_grouped"]

C = TypeVar("C")


async def run_grouped(
    redis: Redis,
    calls: Sequence[C],
    key_of: Callable[[C], bytes],
    call_of: Callable[[Iterable[C]], ScriptCall],
) -> Sequence[str | StoreUnavailable]:
    """Return one answer character for each of `calls`, or why there is none.

    `call_of` makes one script call of those whose keys may be in one script. Raises `StoreUnavailable`
    where every call failed.
    """
    places: dict[bytes, list[int]] = {}
    for place, call in enumerate(calls):
        places.setdefault(redis.group_of(key_of(call)), []).append(place)
    with in_our_words():
        replies = await redis.run([call_of(calls[place] for place in group) for group in places.values()])
    answers: list[str | StoreUnavailable] = [""] * len(calls)
    for group, reply in zip(places.values(), replies, strict=True):
        told: Sequence[str | StoreUnavailable] = (
            reply.decode("ascii", "replace") if isinstance(reply, bytes) else ""
        )
        if len(told) != len(group):
            told = [_why(reply) for _ in group]
        for place, answer in zip(group, told, strict=True):
            answers[place] = answer
    return answers


@contextmanager
def in_our_words() -> Iterator[None]:
    """Raise `StoreUnavailable` for `RedisUnavailable`, with its sentence."""
    try:
        yield
    except RedisUnavailable as error:
        raise StoreUnavailable(str(error)) from None


def _why(reply: object) -> StoreUnavailable:
    return StoreUnavailable(
        str(reply) if isinstance(reply, RedisUnavailable) else "Redis failed to answer; its own log says why."
    )
