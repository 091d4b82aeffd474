"""Keys that turn over while a role serves: at boundaries, when others have changed them, when asked.

File work and the making of keys happen in a thread. What fails, or hangs, is reported and tried again:
keys are published long before they are used, so that there is time. A wrong clock is the end of the
process, before anything is destroyed on it.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import TacitaError
from tacita.service.logs import Logger

__all__ = ["Turnable", "Turning"]

_HANGS_SECONDS = 10.0
"""How long a turn may take before it counts as failed: a lock that is not given back, a file system away."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Turnable(Protocol[T_co]):
    """Keys that know when their next turn is due."""

    def wait(self) -> float:
        """Return the seconds until then, or until one should look whether others have changed them."""
        ...

    def turn(self) -> T_co:
        """Do what is due and return what that was; blocks.

        Raises:
            ClockSetBack, ClockAhead: the clock cannot be right; nothing was changed.
            TacitaError: it could not be done now.
        """
        ...


class Turning(Generic[T]):
    """Keeps `keys` turned over.

    `report` gets what each turn has done, and `lose` is called whenever one fails. The events `lost`,
    with its `kind`, and `regained` are logged at the changes. `fatal` gets the error on which the
    process has to end.
    """

    def __init__(
        self,
        keys: Turnable[T],
        log: Logger,
        fatal: "asyncio.Future[None]",
        *,
        events: tuple[str, str],
        report: Callable[[T], None],
        lose: Callable[[], None] = lambda: None,
    ) -> None:
        self._keys = keys
        self._log = log
        self._fatal = fatal
        self._lost_event, self._regained_event = events
        self._report = report
        self._on_loss = lose
        self._lost = False
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the next turn now."""
        self._asked.set()

    async def keep(self) -> None:
        """Turn until cancelled, or until the clock is wrong."""
        while True:
            await self._pause()
            try:
                turned = await self._turned()
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
                if self._lost:
                    self._log.event(self._regained_event)
                self._lost = False
                self._report(turned)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._keys.wait()):
                await self._asked.wait()
        except TimeoutError:
            return
        self._asked.clear()

    async def _turned(self) -> T:
        turning = asyncio.create_task(asyncio.to_thread(self._keys.turn))
        try:
            while not (await asyncio.wait({turning}, timeout=_HANGS_SECONDS))[0]:
                self._lose(TimeoutError())
            return turning.result()
        finally:
            turning.cancel()

    def _lose(self, error: Exception) -> None:
        if not self._lost:
            self._log.event(self._lost_event, kind=type(error).__name__)
        self._lost = True
        self._on_loss()
