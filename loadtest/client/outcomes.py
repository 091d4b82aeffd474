"""What can become of a request: five things, and each request becomes exactly one of them.

| outcome | what it is | and its token |
|---|---|---|
| answered | the answer that the scenario wants, whole and authentic | spent |
| inside | an authentic refusal by gateway or target, inside the encapsulation | spent, refused, given back |
| outside | a plain HTTP answer by relay, gateway or issuer: not authentic | unknown, so burnt |
| burnt | it was sent, and no whole, authentic answer came: broken off, late, altered | unknown, so burnt |
| unsent | no connection could be made, so nothing was sent | nobody has seen it; not used again |

A request that was started and is none of these when the run is over is *lost*, and so is a token
that was taken out of a file and neither went with a request nor back. Both are zero unless a load
process itself was killed, or the harness is wrong.
"""

__all__ = ["ANSWERED", "Outcome", "burnt", "inside", "outside", "unsent"]

Outcome = str
"""The name, and behind a colon the reason, out of a closed set: a status, or a word."""

ANSWERED: Outcome = "answered"


def inside(status: int, problem: str = "") -> Outcome:
    """An authentic refusal with `status`; `problem` is `date` for a clock that is off."""
    return f"inside:{status} {problem}".rstrip()


def outside(status: int) -> Outcome:
    """A plain HTTP answer with `status`."""
    return f"outside:{status}"


def burnt(reason: str) -> Outcome:
    """`lost` (connection), `timeout`, `cut` (ended early), `foreign` (not authentic), `malformed`."""
    return f"burnt:{reason}"


def unsent(reason: str) -> Outcome:
    """`refused` (nobody listens), `timeout`, `tls`, or `stopped` (the run ended while it waited)."""
    return f"unsent:{reason}"
