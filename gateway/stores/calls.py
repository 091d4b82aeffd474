"""One call on a spent-token store, and what it does to the entry of its token.

An entry is two characters: a state (`f` free, `r` reserved, `c` committed) and how
often the token was released. A token without an entry is free and was never released.
`transition` is the whole state machine of `tacita.privacypass.spent`; the script
that runs inside Redis says the same in Lua, and a test holds the two together.

Answers are one character per call:

- `0`, `1`, `2`: reserved, after that many releases;
- `s`: refused, the token is spent;
- `f`: the token is free now;
- `c`: the token is committed, or as good as that;
- `d`: the issuer key has died, nothing was written.
"""

from enum import Enum
from typing import NamedTuple

from tacita.errors import DecodeError
from tacita.privacypass.spent import MAX_RELEASES

__all__ = ["COMMITTED", "DEAD", "FREE", "SPENT", "Call", "Verb", "checked", "transition"]

SPENT = "s"
FREE = "f"
COMMITTED = "c"
DEAD = "d"

_RESERVED = "r"
_LATEST = 2**40
"""Where UNIX times end here (year 36812): Redis counts milliseconds in 64 bits, Lua in 53."""


class Verb(Enum):
    """What is asked. The value is its letter on the way to Redis."""

    RESERVE = b"r"
    COMMIT = b"c"
    RELEASE = b"f"


class Call(NamedTuple):
    """One queued call; the fields are those of `Reservation`, `releases` being 0 for a reserve."""

    verb: Verb
    token_key_id: bytes
    nonce: bytes
    expires: int
    releases: int


def checked(call: Call) -> Call:
    """Return `call` if every store can hold it.

    Raises:
        DecodeError: a field has not the size that `SpentStore` asks for. One such call
            must not spoil the batch that it would travel in.
    """
    if len(call.token_key_id) != 32:
        raise DecodeError("A token key id has 32 bytes.")
    if len(call.nonce) != 32:
        raise DecodeError("A token nonce has 32 bytes.")
    if not 0 < call.expires < _LATEST:
        raise DecodeError("The end of an issuer key is a UNIX time in seconds.")
    if not 0 <= call.releases <= MAX_RELEASES:
        raise DecodeError("A reservation counts releases up to the limit.")
    return call


def transition(call: Call, entry: str | None) -> tuple[str | None, str]:
    """Return the new entry (None: leave it as it is) and the answer for `call` on a token with `entry`."""
    state, releases = (entry[0], int(entry[1])) if entry else (FREE, 0)
    if call.verb is Verb.RESERVE:
        if state == FREE:
            return f"{_RESERVED}{releases}", str(releases)
        return None, SPENT
    if call.verb is Verb.COMMIT:
        return (None if state == COMMITTED else f"{COMMITTED}{call.releases}"), COMMITTED
    if entry is not None and entry != f"{_RESERVED}{call.releases}":
        # Released before, or the token has moved on to another reservation.
        return None, FREE if state == FREE else COMMITTED
    if call.releases < MAX_RELEASES:
        return f"{FREE}{call.releases + 1}", FREE
    return f"{COMMITTED}{call.releases}", COMMITTED
