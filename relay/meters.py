"""What the relay counts: results from a closed set, bytes, and time. Nothing about whom (R5)."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from relay import errors
from tacita.errors import TacitaError
from tacita.net.message import BodyMalformed, PeerGone, ReaderTooSlow, SenderTooSlow
from tacita.net.upstream import UpstreamBusy, UpstreamTimeout, UpstreamUnreachable
from tacita.service.metrics import Metrics

__all__ = ["CLIENT_GONE", "FETCH_RESULTS", "REFUSALS", "RESULTS", "Meters", "result_of"]

CLIENT_GONE = "client_gone"

_OF_MESSAGES: dict[type[TacitaError], str] = {
    BodyMalformed: "malformed",
    SenderTooSlow: "too_slow",
    ReaderTooSlow: "reader_too_slow",
    PeerGone: CLIENT_GONE,
    UpstreamUnreachable: "unreachable",
    UpstreamBusy: "busy",
    UpstreamTimeout: "timeout",
}

RESULTS = (
    "answered",
    "gateway_refused",
    "gateway_failed",
    "lost",
    "defect",
    *sorted({error.result for error in errors.RelayError.__subclasses__()} | set(_OF_MESSAGES.values())),
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
    "form",
)
"""How a look at a mirrored document ended."""

REFUSALS = ("connection", "message", "document")
"""What was refused to a network that had had its share."""

# Upper bounds in seconds: a round trip on one host up to the longest stream.
_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)


def result_of(error: TacitaError) -> str:
    """Return the result under which an exchange that `error` has ended is counted."""
    if isinstance(error, errors.RelayError):
        return error.result
    return _OF_MESSAGES.get(type(error), "lost")


class Meters(Collector):
    """The relay's metrics, declared once.

    Those of exchanges are plain numbers until somebody asks for them: the counters of the library
    take a lock each, which all together is a fifth of an exchange.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._prefix = metrics.prefix
        self._exchanges = dict.fromkeys(RESULTS, 0)
        self._request_bytes = 0
        self._response_bytes = 0
        self._seconds = 0.0
        self._buckets = [0] * (len(_SECONDS) + 1)
        self.fetches = metrics.reasons(
            "mirror_fetches", "Looks at mirrored documents by how they ended.", "result", FETCH_RESULTS
        )
        self.refusals = metrics.reasons(
            "share_refusals", "What networks that had had their share were refused.", "result", REFUSALS
        )
        metrics.register(self)

    def exchange(self, result: str, taken: int, given: int, seconds: float) -> None:
        """Count an exchange that has ended: bytes of the request taken and of the answer given."""
        self._exchanges[result] += 1
        self._request_bytes += taken
        self._response_bytes += given
        self._seconds += seconds
        self._buckets[bisect_left(_SECONDS, seconds)] += 1

    def collect(self) -> Iterable[Metric]:
        """Give the present numbers (for the registry)."""
        exchanges = CounterMetricFamily(
            self._prefix + "exchanges", "Exchanges by how they ended.", labels=["result"]
        )
        for result, count in self._exchanges.items():
            exchanges.add_metric([result], count)
        yield exchanges
        yield CounterMetricFamily(
            self._prefix + "request_bytes", "Bytes of encapsulated requests taken.", self._request_bytes
        )
        yield CounterMetricFamily(
            self._prefix + "response_bytes", "Bytes of answers passed back.", self._response_bytes
        )
        bounds = [str(bound) for bound in _SECONDS] + ["+Inf"]
        yield HistogramMetricFamily(
            self._prefix + "exchange_seconds",
            "Seconds from head to end of exchange.",
            buckets=list(zip(bounds, accumulate(self._buckets), strict=True)),
            sum_value=self._seconds,
        )
