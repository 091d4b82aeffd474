"""Encryption contexts: a nonce sequence and an exporter (RFC 9180, Sections 5.2 and 5.3)."""

from tacita.crypto.hpke.kdf import Labelled
from tacita.crypto.hpke.schedule import KeySchedule
from tacita.crypto.hpke.sequence import OpeningSequence, SealingSequence
from tacita.crypto.hpke.suites import Suite

__all__ = ["RecipientContext", "SenderContext"]


class _Exporter:
    """What both ends can export."""

    __slots__ = ()

    suite: Suite
    labelled: Labelled
    _exporter_secret: bytes

    def export(self, context: bytes, length: int) -> bytes:
        """Return a secret of `length` bytes for the use that `context` names.

        Raises:
            ValueError: `length` is negative or above 255 digests of the suite's hash.
        """
        return self.labelled.expand(self._exporter_secret, b"sec", context, length)


class SenderContext(SealingSequence, _Exporter):
    """The sender's end: `seal` and `export`."""

    __slots__ = ("_exporter_secret", "labelled", "suite")

    def __init__(self, schedule: KeySchedule, shared_secret: bytes) -> None:
        cipher, base_nonce, self._exporter_secret = schedule.derive(shared_secret)
        super().__init__(cipher, base_nonce)
        self.labelled = schedule.labelled
        self.suite = schedule.suite


class RecipientContext(OpeningSequence, _Exporter):
    """The recipient's end: `open` and `export`."""

    __slots__ = ("_exporter_secret", "labelled", "suite")

    def __init__(self, schedule: KeySchedule, shared_secret: bytes) -> None:
        cipher, base_nonce, self._exporter_secret = schedule.derive(shared_secret)
        super().__init__(cipher, base_nonce)
        self.labelled = schedule.labelled
        self.suite = schedule.suite
