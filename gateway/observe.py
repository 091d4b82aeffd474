"""What the gateway counts: results and reasons. Nothing of a request, nothing per relay or client."""

from gateway.errors import OuterError
from tacita.net.message import MessageError, PeerGone
from tacita.ohttp.errors import RequestRefused
from tacita.service.metrics import Metrics

__all__ = ["Observations"]

_REASONS = sorted(kind.reason for kind in RequestRefused.__subclasses__())
_OUTER = ("400", "401", "403", "408", "413", "415", "503", "gone")
_INNER = ("2xx", "3xx", "400", "401", "403", "4xx", "503", "5xx")
_CLASSES = {int(name.removesuffix("xx")): name for name in _INNER}
_TOKENS = ("reserved", "committed", "released", "burnt", "missing", "invalid", "spent")
_REPLAYS = ("remembered", "replayed", "full", "unavailable")


class Observations:
    """The gateway's counters."""

    def __init__(self, metrics: Metrics) -> None:
        self._outer = metrics.reasons(
            "refused_outside_total", "Messages refused in the clear, by status.", "status", _OUTER
        )
        self._unopened = metrics.reasons(
            "undecryptable_total", "Messages that no key opened, by reason.", "reason", _REASONS
        )
        self._inner = metrics.reasons(
            "answers_total", "Answers inside the encapsulation, by status.", "status", _INNER
        )
        self._truncated = metrics.counter("truncated_total", "Answers that broke off after they had begun.")
        self._tokens = metrics.reasons("tokens_total", "What became of tokens.", "event", _TOKENS)
        self._replays = metrics.reasons(
            "replay_cache_total", "What the replay cache said of messages.", "event", _REPLAYS
        )

    def outer(self, error: OuterError | MessageError) -> None:
        """Count a refusal in the clear, or that nobody was there any more to be told."""
        self._outer.inc("gone" if isinstance(error, PeerGone) else str(error.status))

    def unopened(self, error: RequestRefused) -> None:
        """Count a message that could not be opened. The peer is not told which reason it was."""
        self._unopened.inc(error.reason)

    def inner(self, status: int) -> None:
        """Count an answer inside."""
        self._inner.inc(_CLASSES.get(status) or _CLASSES[status // 100])

    def truncated(self) -> None:
        """Count an answer that broke off."""
        self._truncated.inc()

    def token(self, event: str) -> None:
        """Count what became of a token: one of the closed set of events."""
        self._tokens.inc(event)

    def replay(self, event: str) -> None:
        """Count what the replay cache said: one of the closed set of events."""
        self._replays.inc(event)
