"""Turning the gateway's keys over while it serves: at boundaries, and when a command has changed the state.

File work and key derivation happen in a thread; messages go on meanwhile with the set that is
shown, which has the keys of the coming epoch already. State that cannot be written is reported and
tried again; at the boundary the gateway is then not ready, since what it shows is out of date. A
wrong clock is the end, before anything is destroyed on it.
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.keys import Keyring, Turned
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import TacitaError
from tacita.service.logs import Logger, Value
from tacita.service.readiness import Readiness

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
        clock: Callable[[], float],
    ) -> None:
        self._keyring = keyring
        self._log = log
        self._readiness = readiness
        self._fatal = fatal
        self._clock = clock
        self._begun: Turned | None = None
        self._epoch: int | None = None
        self._lost = False

    def begin(self) -> None:
        """Turn for the first time; blocks. What it did is logged by `keep`. Raises as `Keyring.turn`."""
        self._begun = self._keyring.turn()

    async def keep(self) -> None:
        """Turn until cancelled, or until the clock is wrong."""
        if self._begun is not None:
            self._report(self._begun)
        while True:
            await asyncio.sleep(self._keyring.wait())
            try:
                turned = await asyncio.to_thread(self._keyring.turn)
            except (ClockSetBack, ClockAhead) as error:
                if not self._fatal.done():
                    self._fatal.set_exception(error)
                return
            except TacitaError as error:
                self._lose(error)
            except Exception as defect:
                self._log.internal_error(defect)
                self._lose(defect)
            else:
                self._report(turned)

    def _lose(self, error: Exception) -> None:
        if not self._lost:
            self._log.event("key_state_lost", kind=type(error).__name__)
        self._lost = True
        self._readiness.set("keys", holds=self._clock() < self._keyring.shown.until)

    def _report(self, turned: Turned) -> None:
        if self._lost:
            self._log.event("key_state_regained")
        self._lost = False
        self._readiness.set("keys", holds=True)
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
