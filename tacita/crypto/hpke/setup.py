"""SetupBaseS and SetupBaseR (RFC 9180, Section 5.1.1)."""

from contextlib import suppress

from tacita.crypto.hpke.contexts import RecipientContext, SenderContext
from tacita.crypto.hpke.errors import OpenFailed
from tacita.crypto.hpke.keys import PrivateKey, PublicKey
from tacita.crypto.hpke.schedule import KeySchedule
from tacita.crypto.hpke.suites import Suite

__all__ = ["RecipientSetup", "setup_sender"]

_N_SECRET = 32


def setup_sender(
    suite: Suite, public_key: PublicKey, info: bytes, *, ephemeral: bytes | None = None
) -> tuple[bytes, SenderContext]:
    """Return the encapsulated key (`suite.n_enc` bytes) and a context to seal with.

    `ephemeral` replaces the KEM's fresh randomness so that vectors replay: for the
    DHKEMs an ephemeral private key. One that is used twice gives both messages away.

    Raises:
        InvalidKey: the exchange has no secret result, or `ephemeral` is no key.
        ValueError: the key belongs to another KEM than the suite, or has no use for `ephemeral`.
    """
    if public_key.kem is not suite.kem:
        raise ValueError("the public key belongs to another KEM than the suite")
    shared_secret, enc = public_key.encapsulate(ephemeral)
    return enc, SenderContext(KeySchedule(suite, info), shared_secret)


class RecipientSetup:
    """A recipient of many messages under one key, suite and info.

    Holds what does not depend on the message, so that `open` is one exchange and a
    handful of hashes. Immutable: may be shared between threads.
    """

    __slots__ = ("_private_key", "_schedule", "suite")

    def __init__(self, suite: Suite, private_key: PrivateKey, info: bytes) -> None:
        if private_key.kem is not suite.kem:
            raise ValueError("the private key belongs to another KEM than the suite")
        self.suite = suite
        self._private_key = private_key
        self._schedule = KeySchedule(suite, info)

    def open(self, enc: bytes) -> RecipientContext:
        """Return the context of one encapsulated key (`suite.n_enc` bytes). Raises `InvalidKey`."""
        return RecipientContext(self._schedule, self._private_key.decapsulate(enc))

    def in_vain(self, ciphertext: bytes) -> None:
        """Do with `ciphertext` what is left to do when `open` has raised, as if it had not.

        For callers that do not want to tell by when they refuse what was wrong.
        """
        with suppress(OpenFailed):
            RecipientContext(self._schedule, bytes(_N_SECRET)).open(
                b"", ciphertext.ljust(self.suite.n_t, b"\0")
            )
