"""What the relay waits for before it calls itself ready, at its start only.

It waits for every document of every gateway. But one gateway that is away must not keep the others from
being served: as soon as one is complete, what has failed elsewhere is not waited for any longer. Later
on nothing makes the relay unready: taking it out of service would not bring an origin back, and would
stop the clients that have their documents.
"""

from collections.abc import Iterable

from tacita.service.readiness import Readiness

__all__ = ["Waiting"]


class Waiting:
    """Sets and waives the conditions of `readiness` by what is seen of gateways' documents."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._open: dict[str, set[str]] = {}
        """Of each gateway, the documents that have not been there yet."""
        self._failed: set[tuple[str, str]] = set()
        self._one_is_complete = False

    def begin(self, gateway: str, documents: Iterable[str]) -> None:
        """Wait for `documents` of `gateway`."""
        self._open[gateway] = set(documents)
        for document in self._open[gateway]:
            self._readiness.require(f"{gateway}/{document}")

    def seen(self, gateway: str, document: str, result: str) -> None:
        """A look at a document has ended with `result`."""
        waited = self._open.get(gateway, set())
        if document not in waited:
            return
        if result != "fetched":
            self._failed.add((gateway, document))
        else:
            waited.discard(document)
            self._readiness.set(f"{gateway}/{document}", holds=True)
            self._one_is_complete = self._one_is_complete or not waited
        if self._one_is_complete:
            for failed in self._failed:
                self._waive(*failed)
            self._failed.clear()

    def forget(self, gateway: str) -> None:
        """Wait no longer for `gateway`."""
        for document in tuple(self._open.get(gateway, ())):
            self._waive(gateway, document)

    def _waive(self, gateway: str, document: str) -> None:
        waited = self._open.get(gateway, set())
        if document in waited:
            waited.discard(document)
            self._readiness.waive(f"{gateway}/{document}")
