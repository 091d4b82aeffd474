"""The ways in which asking another server can fail.

They are kept apart because tokens depend on it: *not reached* (the server has seen
nothing), *lost* (it may have seen everything), *too slow*.
"""

from tacita.errors import TacitaError

__all__ = ["UpstreamBusy", "UpstreamError", "UpstreamLost", "UpstreamTimeout", "UpstreamUnreachable"]


class UpstreamError(TacitaError):
    """The server could not be asked, or its answer did not arrive whole."""

    status = 502


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: the server has seen nothing of the request."""

    def __init__(
        self, sentence: str = "The server behind this one cannot be reached; try again later."
    ) -> None:
        super().__init__(sentence)


class UpstreamBusy(UpstreamUnreachable):
    """Every connection that there may be is in use, and none became free in time."""

    status = 503

    def __init__(
        self, sentence: str = "Every connection to the server behind this one is in use; try again later."
    ) -> None:
        super().__init__(sentence)


class UpstreamLost(UpstreamError):
    """The connection broke, or the answer was none of HTTP: the server may have acted on the request."""

    def __init__(self, sentence: str = "The connection to the server behind this one broke off.") -> None:
        super().__init__(sentence)


class UpstreamTimeout(UpstreamError):
    """The server took longer than allowed."""

    status = 504

    def __init__(self, sentence: str = "The server behind this one took too long; try again later.") -> None:
        super().__init__(sentence)
