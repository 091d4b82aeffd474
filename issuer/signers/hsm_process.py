"""The issuer's side of keys in an HSM: one process that signs, restarted when it dies.

    hsm = HsmProcess(HsmConfig(module, token="tacita", pin_file=pin_file))
    signer = hsm.signer("blind-rsa-2048.1893456000")
    signatures = signer.sign(blinded)
    hsm.close()

`sign` blocks, as every engine's does, and calls from several threads queue up. When the process
dies or hangs in the middle of a call, that call raises `SignerUnreachable` (503) and has
released nothing; the next call starts another process.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from issuer.signers.frames import Broken, Clock, Kind, read_frame, write_frame
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import SignerUnreachable, SigningFailed, SigningUnavailable

__all__ = ["HsmConfig", "HsmProcess", "HsmSigner"]

_RETRY_SECONDS = 1.0
_MAX_LABEL = 255


@dataclass(frozen=True, slots=True)
class HsmConfig:
    """How to reach the device: its PKCS#11 library, the token's label, and a file with its PIN (0600).

    `seconds` bounds one call, a whole batch, and the start of the process.
    """

    module: Path
    token: str
    pin_file: Path
    seconds: float = 30.0


class HsmProcess:
    """The one signing process for the token of `config`. Close it at the end; it also ends with this one."""

    def __init__(self, config: HsmConfig, *, clock: Clock = time.monotonic) -> None:
        """Start the process.

        Raises:
            SigningUnavailable: the device cannot be used as `config` says; the sentence tells why.
            SignerUnreachable: the process does not start, or not in time.
        """
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = clock()
        self._closed = False
        with self._lock:
            self._start()

    @property
    def pid(self) -> int | None:
        """The process, if there is one now."""
        process = self._process
        return None if process is None else process.pid

    def signer(self, label: str) -> "HsmSigner":
        """Return a signer for the private key with `label`.

        Raises:
            SigningUnavailable: the token does not hold exactly one RSA key that we use with it.
            SignerUnreachable: the device does not answer.
        """
        encoded = _encoded(label)
        return HsmSigner(self, encoded, RsaPublicKey(self.ask(Kind.KEY, encoded)))

    def generate(self, label: str) -> None:
        """Make an RSA key of 2048 bits called `label`, which never leaves the device.

        Raises:
            SigningUnavailable: the device does not make such keys, or has one of that label.
            SignerUnreachable: it does not answer.
        """
        self.ask(Kind.MAKE, _encoded(label))

    def destroy(self, label: str) -> None:
        """Destroy the key called `label`, if there is one. Raises as `generate`."""
        self.ask(Kind.DESTROY, _encoded(label))

    def ask(self, kind: Kind, content: bytes) -> bytes:
        """Return the answer to one frame.

        Raises:
            SigningFailed, SigningUnavailable: as the engine in the process.
            SignerUnreachable: the process or the device is gone, or too slow; nothing was released.
        """
        with self._lock:
            if self._closed:
                raise _unreachable()
            if self._process is None or self._process.poll() is not None:
                self._restart()
            return self._exchange(kind, content)

    def close(self) -> None:
        """End the process. Its signers raise `SignerUnreachable` from now on."""
        with self._lock:
            self._closed = True
            self._stop()

    def _restart(self) -> None:
        # A device that is gone for an hour would otherwise cost a process start for every request.
        if self._clock() < self._not_before:
            raise _unreachable()
        self._stop()
        try:
            self._start()
        except SigningUnavailable:
            # It was usable when we began, so this is no matter of configuration.
            raise _unreachable() from None

    def _start(self) -> None:
        self._not_before = self._clock() + _RETRY_SECONDS
        command = [sys.executable, "-m", "issuer.signers.hsm_worker"]
        # What the HSM's library writes is not ours to vouch for, so it goes nowhere.
        self._process = subprocess.Popen(  # noqa: S603 - a constant, nobody's input
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        setup = {
            "module": str(self._config.module),
            "token": self._config.token,
            "pin_file": str(self._config.pin_file),
        }
        try:
            self._exchange(Kind.SETUP, json.dumps(setup).encode())
        except BaseException:
            self._stop()
            raise

    def _exchange(self, kind: Kind, content: bytes) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        seconds, clock = self._config.seconds, self._clock
        try:
            write_frame(process.stdin.fileno(), kind, content, seconds=seconds, clock=clock)
            status, answer = read_frame(process.stdout.fileno(), seconds=seconds, clock=clock)
        except Broken:
            self._stop()
            raise _unreachable() from None
        match status:
            case Kind.OK:
                return answer
            case Kind.FAILED:
                raise SigningFailed(answer.decode())
            case Kind.UNUSABLE:
                raise SigningUnavailable(answer.decode())
            case _:
                self._stop()
                raise _unreachable()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:  # closes the pipes and waits
                pass


class HsmSigner:
    """A `Signer` for one key of an `HsmProcess`. Made by `HsmProcess.signer`."""

    def __init__(self, process: HsmProcess, label: bytes, public_key: RsaPublicKey) -> None:
        """Sign with the key `label`, whose public half is `public_key`, in `process`."""
        self.public_key: RsaPublicKey = public_key
        self.modulus_size: int = public_key.modulus_size
        self._process = process
        self._label = label

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked in the process.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: a result does not verify; none is returned.
            SigningUnavailable: the device has another key by this label now; nothing was signed.
            SignerUnreachable: the process or the device is gone, or too slow; none is returned.
        """
        for message in blinded:
            self.public_key.require_in_range(message)
        if not blinded:
            return []
        content = bytes((len(self._label),)) + self._label + self.public_key.key_id + b"".join(blinded)
        signatures = self._process.ask(Kind.SIGN, content)
        size = self.modulus_size
        if len(signatures) != size * len(blinded):
            raise SigningFailed("The HSM process answered with something else than the signatures.")
        return [signatures[at : at + size] for at in range(0, len(signatures), size)]


def _encoded(label: str) -> bytes:
    encoded = label.encode()
    if not 1 <= len(encoded) <= _MAX_LABEL:
        raise SigningUnavailable("The label of a key in an HSM has between 1 and 255 bytes.")
    return encoded


def _unreachable() -> SignerUnreachable:
    return SignerUnreachable("The HSM that holds the key does not answer; try again later.")
