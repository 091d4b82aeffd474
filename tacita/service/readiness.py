"""Whether a role may be sent traffic: the named conditions that it waits for."""

from collections.abc import Iterable

__all__ = ["Readiness"]


class Readiness:
    """Ready when every condition holds and no stop is under way."""

    def __init__(self, conditions: Iterable[str] = ()) -> None:
        self._conditions = dict.fromkeys(conditions, False)
        self._stopping = False

    def require(self, condition: str) -> None:
        """Wait for one more condition, which does not hold yet."""
        self._conditions[condition] = False

    def set(self, condition: str, holds: bool) -> None:
        """Say whether one of the declared conditions holds. Raises `KeyError` for another."""
        if condition not in self._conditions:
            raise KeyError(condition)
        self._conditions[condition] = holds

    def waive(self, condition: str) -> None:
        """Wait no longer for `condition`, whether it holds or not."""
        self._conditions.pop(condition, None)

    def stop(self) -> None:
        """Be not ready from now on: the process is about to drain."""
        self._stopping = True

    @property
    def missing(self) -> list[str]:
        """The conditions that do not hold, `stopping` among them."""
        waiting = [name for name, holds in self._conditions.items() if not holds]
        return [*waiting, "stopping"] if self._stopping else waiting

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing
