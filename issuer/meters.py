"""What the issuer counts: results from a closed set, tokens, and time. Nothing about whom (R5)."""

from collections.abc import Iterator

from issuer.errors import IssuerError
from tacita.service.metrics import Metrics

__all__ = ["RESULTS", "Meters"]


def _leaves(kind: type[IssuerError]) -> Iterator[type[IssuerError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _leaves(below)


RESULTS = (
    "issued",
    "issued_in_part",
    "repeated",
    "malformed",
    "unknown_key",
    "client_gone",
    *sorted({leaf.result for leaf in _leaves(IssuerError)} - {"malformed"}),
)
"""How a token request ended. `repeated` was paid for before; `internal` is a defect."""

# Upper bounds in seconds: one signature is a quarter of a millisecond, a batch of 100 some 27.
_SECONDS = (0.0005, 0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)


class Meters:
    """The issuer's metrics, declared once."""

    def __init__(self, metrics: Metrics) -> None:
        self.requests = metrics.reasons("requests", "Token requests by how they ended.", "result", RESULTS)
        self.tokens = metrics.counter("tokens_issued", "Tokens issued and charged for.")
        self.signing = metrics.histogram(
            "signing_seconds", "Seconds that a request waited for its signatures.", _SECONDS
        )
