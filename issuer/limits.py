"""What an issuer takes at a time, for how long, and with how many threads it signs."""

import os
from dataclasses import dataclass, field

__all__ = ["Limits"]


def _cores() -> int:
    # Not cpu_count: a container or a supervisor may have given us fewer.
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one issuer process.

    `max_batch` tokens in a request, `max_pending` requests under way, `max_pending_of_account` of them
    for one account, `max_waiting` signatures that are waited for, `body_seconds` for a body to arrive,
    `directory_max_age_seconds` for copies of the directory to be kept, `threads` that sign at a time.
    """

    max_batch: int = 100
    max_pending: int = 256
    max_pending_of_account: int = 64
    max_waiting: int = 8192
    body_seconds: float = 10
    directory_max_age_seconds: int = 3600
    threads: int = field(default_factory=_cores)

    def __post_init__(self) -> None:
        """Refuse a bound below one. Raises `ValueError`."""
        requests = (self.max_batch, self.max_pending, self.max_pending_of_account)
        if min(*requests, self.max_waiting, self.threads) < 1:
            raise ValueError("every bound is at least 1")
