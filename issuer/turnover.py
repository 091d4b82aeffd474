"""The issuer's keys as they turn over while it serves: what is logged of it.

Requests go on meanwhile with the keys that `IssuerKeys.present` gives by the clock: what is in memory
is good until the boundary after the next. A wrong clock is the end (R21).
"""

import asyncio
from collections.abc import Mapping

from issuer.keys import IssuerKeys, Turned
from tacita.service.logs import Logger, Value
from tacita.service.turnover import Turning

__all__ = ["EVENTS", "Turnover"]

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    "epoch_begun": {"epoch": int},
    "key_made": {"type": str, "epoch": int},
    "key_destroyed": {"type": str, "epoch": int},
    "key_folder_lost": {"kind": str},
    "key_folder_regained": {},
}


class Turnover:
    """Keeps `keys` turned over.

    `fatal` gets the error on which the process has to end: the clock cannot be right.
    """

    def __init__(self, keys: IssuerKeys, log: Logger, fatal: "asyncio.Future[None]") -> None:
        self._keys = keys
        self._log = log
        self._turning = Turning(
            keys, log, fatal, events=("key_folder_lost", "key_folder_regained"), report=self._report
        )
        self._begun: Turned | None = None
        self._epoch: int | None = None

    async def check(self) -> None:
        """Say whether there is a key that may sign now. Raises `KeysUnavailable`."""
        self._keys.present()

    def begin(self, *, may_begin: bool) -> None:
        """Turn for the first time; blocks. What it did is logged by `keep`. Raises as `IssuerKeys.turn`."""
        self._begun = self._keys.turn(may_begin=may_begin)

    async def look(self) -> None:
        """Turn soon, without waiting until it is due: a command may have changed the folder."""
        self._turning.ask()

    async def keep(self) -> None:
        """Turn until cancelled, or until the clock is wrong."""
        if self._begun is not None:
            self._report(self._begun)
        await self._turning.keep()

    def _report(self, turned: Turned) -> None:
        if turned.epoch != self._epoch:
            self._log.event("epoch_begun", epoch=turned.epoch)
            self._epoch = turned.epoch
        for event, names in (("key_made", turned.made), ("key_destroyed", turned.destroyed)):
            for name in names:
                self._log.event(event, type=name.type, epoch=name.epoch)
