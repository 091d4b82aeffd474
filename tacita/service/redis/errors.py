"""Why Redis cannot be asked now. The roles turn it into an error of their own."""

from tacita.errors import TacitaError

__all__ = ["RedisUnavailable"]


class RedisUnavailable(TacitaError):
    """The server cannot answer, or not in time, or must not be trusted at present."""

    status = 503
    passing = True
