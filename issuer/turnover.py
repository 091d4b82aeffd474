"""Turning keys over while the issuer serves: at boundaries, and whenever others have changed the folder.

File work and the making of keys happen in a thread; requests go on meanwhile, with the keys that
`IssuerKeys.present` gives by the clock. A folder that cannot be used is reported and tried again:
what is in memory is good until the boundary after the next. A wrong clock is the end (R21).
"""

import asyncio
from collections.abc import Mapping

from issuer.keys import IssuerKeys, Turned
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import TacitaError
from tacita.service.logs import Logger, Value

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
        self._fatal = fatal
        self._begun: Turned | None = None
        self._epoch: int | None = None
        self._lost = False

    async def check(self) -> None:
        """Say whether there is a key that may sign now. Raises `KeysUnavailable`."""
        self._keys.present()

    def begin(self, *, may_begin: bool) -> None:
        """Turn for the first time; blocks. What it did is logged by `keep`. Raises as `IssuerKeys.turn`."""
        self._begun = self._keys.turn(may_begin=may_begin)

    async def keep(self) -> None:
        """Turn until cancelled, or until the clock is wrong."""
        if self._begun is not None:
            self._report(self._begun)
        while True:
            await asyncio.sleep(self._keys.wait())
            try:
                turned = await asyncio.to_thread(self._keys.turn)
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
            self._log.event("key_folder_lost", kind=type(error).__name__)
        self._lost = True

    def _report(self, turned: Turned) -> None:
        if self._lost:
            self._log.event("key_folder_regained")
        self._lost = False
        if turned.epoch != self._epoch:
            self._log.event("epoch_begun", epoch=turned.epoch)
            self._epoch = turned.epoch
        for event, names in (("key_made", turned.made), ("key_destroyed", turned.destroyed)):
            for name in names:
                self._log.event(event, type=name.type, epoch=name.epoch)
