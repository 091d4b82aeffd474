"""The gateway's keys as they turn over while it serves: what is logged, shown to Prometheus, and not ready.

Messages go on meanwhile with the set that is shown, which has the keys of the coming epoch already.
State that cannot be written is tried again; at the boundary the gateway is then not ready, since what
it shows is out of date.
"""

import asyncio
from collections.abc import Mapping

from gateway.keys import Keyring, Turned
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.turnover import Turning

__all__ = ["EVENTS", "Turnover"]

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    "chain_begun": {"epoch": int},
    "chain_taken": {"epoch": int},
    "epoch_begun": {"epoch": int},
    "keys_changed": {"epoch": int},
    "old_keys_destroyed": {"epoch": int},
    "key_state_lost": {"kind": str},
    "key_state_regained": {},
}


class Turnover:
    """Keeps `keyring` turned over.

    `fatal` gets the error on which the process has to end: the clock cannot be right.
    """

    def __init__(
        self,
        keyring: Keyring,
        log: Logger,
        readiness: Readiness,
        fatal: "asyncio.Future[None]",
        metrics: Metrics,
    ) -> None:
        self._keyring = keyring
        self._log = log
        self._readiness = readiness
        self._turning = Turning(
            keyring,
            log,
            fatal,
            events=("key_state_lost", "key_state_regained"),
            report=self._report,
            lose=self._lose,
        )
        self._begun: Turned | None = None
        self._epoch: int | None = None
        # Of several workers the one that is the most behind is to be seen.
        self._epochs = metrics.gauge("key_epoch", "The epoch whose keys are published first.", across="min")
        metrics.gauge(
            "key_age_seconds",
            "How long ago the epoch of the published keys began; at most a period.",
            across="max",
        ).set_function(lambda: keyring.age)

    def begin(self) -> None:
        """Turn for the first time; blocks. What it did is logged by `keep`. Raises as `Keyring.turn`."""
        self._begun = self._keyring.turn()

    async def look(self) -> None:
        """Turn soon, without waiting until it is due: a command may have changed the state."""
        self._turning.ask()

    async def keep(self) -> None:
        """Turn until cancelled, or until the clock is wrong."""
        if self._begun is not None:
            self._report(self._begun)
        await self._turning.keep()

    def _lose(self) -> None:
        self._readiness.set("keys", holds=self._keyring.up_to_date)

    def _report(self, turned: Turned) -> None:
        self._readiness.set("keys", holds=True)
        self._epochs.set(turned.epoch)
        if turned.begun or turned.taken:
            self._log.event("chain_begun" if turned.begun else "chain_taken", epoch=turned.epoch)
        if turned.epoch != self._epoch:
            self._log.event("epoch_begun", epoch=turned.epoch)
        elif turned.erased:
            self._log.event("old_keys_destroyed", epoch=turned.epoch - 1)
        elif turned.changed:
            # A command has put another chain in its place.
            self._log.event("keys_changed", epoch=turned.epoch)
        self._epoch = turned.epoch
