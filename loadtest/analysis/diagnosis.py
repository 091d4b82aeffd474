"""What is wrong with a run, in sentences: the target, the tokens, the generator, or the machine."""

from collections.abc import Mapping

from loadtest.analysis.report import Generator

__all__ = ["findings", "generator_limit"]

_BUSY = 0.85
_LATE_SECONDS = 0.005
_LATE_PART = 0.1
_IDLE = 0.03


def findings(outcomes: Mapping[str, int], started: int) -> list[str]:
    """Say what made requests fail, the most frequent first; empty where none did."""
    sentences = []
    for outcome, times in sorted(outcomes.items(), key=lambda pair: -pair[1]):
        if outcome != "answered" and times:
            share = f"{times:,} of {started:,} requests"
            sentences.append(f"{share} {_what(outcome)}")
    return sentences


def generator_limit(generator: Generator, p99: float, *, local: bool, offered: bool) -> str:
    """Say when the generator was the limit; empty where it was not.

    `p99` is that of the run's latencies: lateness matters by what it adds. `offered`: it is an open
    loop; `local`: the target is on this machine.
    """
    if generator.busy_mean > _BUSY:
        return (
            f"The generator was the limit: a load process used {generator.busy:.0%} of a core; "
            "give it more --processes, or another machine."
        )
    if offered and generator.late_p99 > max(_LATE_SECONDS, _LATE_PART * p99):
        late = f"{generator.late_p99 * 1e3:.0f} ms"
        return (
            f"The generator was the limit: one request in a hundred was begun {late} or more after "
            "its moment; lower the rate, or move the generator to another machine."
        )
    if local and generator.machine_idle < _IDLE:
        return (
            f"The machine was the limit: only {generator.machine_idle:.0%} of its CPU time was left, "
            "which generator and target share; move one of them."
        )
    return ""


_WHAT = {
    "inside:401": "were refused inside with 401: the gateway did not take the token.",
    "inside:400 date": "were refused inside for their Date: the clocks are apart.",
    "inside:403": "were refused inside with 403: the gateway does not forward to this target.",
    "inside:502": "got 502 inside: the gateway could not reach the target.",
    "inside:503": "got 503 inside: the gateway's store or keys were not there.",
    "inside:504": "got 504 inside: the target was too slow.",
    "outside:401": "were answered 401: the issuer does not know the credential.",
    "outside:422": "were answered 422: the gateway has no such key, or not any more.",
    "outside:429": "were answered 429: the account is out of quota, or the relay wants fewer requests.",
    "outside:502": "were answered 502 outside: the relay could not reach the gateway.",
    "outside:503": "were answered 503 outside: somebody has as much to do as they take.",
    "outside:504": "were answered 504 outside: the gateway did not answer the relay in time.",
    "burnt:lost": "were burnt: the connection broke off.",
    "burnt:timeout": "were burnt: no whole answer came in time.",
    "burnt:cut": "were burnt: the answer ended early.",
    "burnt:foreign": "were burnt: what came was not an authentic answer.",
    "burnt:malformed": "were burnt: what came was not HTTP.",
    "unsent:refused": "were not sent: nobody listens at the target.",
    "unsent:timeout": "were not sent: no connection became free in time; allow more with --connections.",
    "unsent:tls": "were not sent: TLS with the target failed.",
    "unsent:stopped": "were not sent: the run ended while they waited for a connection.",
}


def _what(outcome: str) -> str:
    if outcome in _WHAT:
        return _WHAT[outcome]
    name, _, reason = outcome.partition(":")
    return f"were answered {reason} {name}." if name in ("inside", "outside") else f"were {name}: {reason}."
