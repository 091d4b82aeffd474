"""What the relay counts: results from a closed set, bytes, and time. Nothing about whom (R5)."""

from relay import errors
from tacita.service.metrics import Metrics

__all__ = ["FETCH_RESULTS", "RESULTS", "Meters"]

RESULTS = (
    "answered",
    "gateway_refused",
    "gateway_failed",
    "unreachable",
    "lost",
    "timeout",
    "defect",
    *sorted({error.result for error in errors.RelayError.__subclasses__()}),
)
"""How an exchange ended. `gateway_refused` and `gateway_failed` are its plain 4xx and 5xx."""

FETCH_RESULTS = (
    "fetched",
    "unreachable",
    "lost",
    "timeout",
    "status",
    "media_type",
    "length",
    "content_coding",
)
"""How a look at a mirrored document ended."""

# Upper bounds in seconds: a round trip on one host up to the longest stream.
_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)


class Meters:
    """The relay's metrics, declared once."""

    def __init__(self, metrics: Metrics) -> None:
        self.exchanges = metrics.reasons("exchanges", "Exchanges by how they ended.", "result", RESULTS)
        self.request_bytes = metrics.counter("request_bytes", "Bytes of encapsulated requests taken.")
        self.response_bytes = metrics.counter("response_bytes", "Bytes of answers passed back.")
        self.seconds = metrics.histogram(
            "exchange_seconds", "Seconds from head to end of exchange.", _SECONDS
        )
        self.fetches = metrics.reasons(
            "mirror_fetches", "Looks at mirrored documents by how they ended.", "result", FETCH_RESULTS
        )
