"""The process that talks to the HSM: `python -m issuer.signers.hsm_worker`, started by `hsm_process`.

It reads frames from standard input and answers on standard output until the input ends. It
has one PKCS#11 session, is never asked by two threads, and knows neither accounts nor the
network. When the HSM's library takes it down, the issuer lives on and starts another.
"""

import json
import os
import signal
import sys
from pathlib import Path

from issuer.signers.frames import Broken, Kind, read_frame, write_frame
from tacita.crypto.engines.errors import SignerUnreachable, SigningUnavailable
from tacita.crypto.engines.pkcs11 import Pkcs11Session, Pkcs11Signer
from tacita.errors import ConfigError, TacitaError
from tacita.service.keyfiles import read_secret

__all__ = ["main"]

_KEY_ID = 32


class Worker:
    """Answers frames from what is behind one session. The session is opened by the first frame."""

    def __init__(self) -> None:
        self._session: Pkcs11Session | None = None
        self._signers: dict[bytes, Pkcs11Signer] = {}

    def answer(self, kind: Kind, content: bytes) -> bytes:
        """Return what belongs behind OK. Raises `TacitaError`, and `Broken` for what makes no sense."""
        match kind:
            case Kind.SETUP if self._session is None:
                setup = json.loads(content)
                pin = read_secret(Path(setup["pin_file"]), "the PIN of the HSM").decode().strip()
                self._session = Pkcs11Session(Path(setup["module"]), token=setup["token"], pin=pin)
                return b""
            case Kind.KEY:
                return self._signer(content).public_key.spki
            case Kind.SIGN:
                label, rest = content[1 : 1 + content[0]], content[1 + content[0] :]
                signer = self._signer(label)
                key_id, messages = rest[:_KEY_ID], rest[_KEY_ID:]
                if key_id != signer.public_key.key_id:
                    # What it signs is checked by this key. The issuer has published the one that was here.
                    raise SigningUnavailable(
                        "The HSM has another key by the label of one that was published."
                    )
                size = signer.modulus_size
                return b"".join(
                    signer.sign([messages[at : at + size] for at in range(0, len(messages), size)])
                )
            case Kind.MAKE if self._session is not None:
                self._session.generate(content.decode())
                return b""
            case Kind.DESTROY if self._session is not None:
                self._signers.pop(content, None)
                self._session.destroy(content.decode())
                return b""
            case _:
                raise Broken

    def _signer(self, label: bytes) -> Pkcs11Signer:
        if self._session is None:
            raise Broken
        if label not in self._signers:
            self._signers[label] = self._session.signer(label.decode())
        return self._signers[label]


def main() -> int:
    """Serve until standard input ends; return the exit status."""
    # Ctrl-C and service managers reach the whole group; the issuer drains first, and then closes our input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Whatever prints, be it the HSM's library, must not get between the frames.
    source, target = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker()
    try:
        while True:
            kind, content = read_frame(source)
            try:
                status, answer = Kind.OK, worker.answer(kind, content)
            except SignerUnreachable as error:
                status, answer = Kind.UNREACHABLE, str(error).encode()
            except (SigningUnavailable, ConfigError) as error:
                status, answer = Kind.UNUSABLE, str(error).encode()
            except TacitaError as error:
                status, answer = Kind.FAILED, str(error).encode()
            write_frame(target, status, answer)
            if status is Kind.UNREACHABLE:
                # What a session is worth after that differs from device to device; a new one is sure.
                return 1
    except Broken:
        return 0


if __name__ == "__main__":
    sys.exit(main())
