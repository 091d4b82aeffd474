"""A real SoftHSM2 token in a folder of its own, with keys put into it for tests.

PKCS#11 is initialised once for a process and reads where its tokens are only then, so
there is one token for a run of tests (`token()`); a process of its own may have another.

Where the library is missing, a test that needs it is skipped with the reason printed; with
CI set in the environment it fails instead, so that nobody takes silence for success.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tacita.crypto.rsa_keys import RsaPrivateKey

__all__ = ["MODULE", "PIN", "TOKEN", "SoftHsm", "token"]

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
TOKEN = "tacita"
PIN = "918273"


class SoftHsm:
    """One token in `folder`; `environment` is what a process needs to see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._config = folder / "softhsm2.conf"
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        self._config.write_text(f"directories.tokendir = {self._tokens}\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(self._config)}
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.pin_file.chmod(0o600)
        self._run("--init-token", "--free", "--label", TOKEN, "--so-pin", "1234567890", "--pin", PIN)
        self._count = 0

    def add(self, private_key: RsaPrivateKey, label: str | None = None) -> str:
        """Put `private_key` into the token, unchecked, and return the label that it has there."""
        return self.add_pem(private_key.to_pem(), label)

    def add_pem(self, pem: bytes, label: str | None = None) -> str:
        """Put a private key in PKCS#8 PEM into the token, and return its label."""
        self._count += 1
        label = label or f"key-{self._count}"
        file = self.folder / f"{label}.pem"
        file.write_bytes(pem)
        # By a process of its own: a token has one login for all sessions of one process.
        arguments = ("--token", TOKEN, "--pin", PIN, "--label", label, "--id", f"{self._count:04x}")
        self._run("--import", str(file), *arguments)
        file.unlink()
        return label

    def unplug(self) -> None:
        """Take the token away from whoever starts or looks from now on."""
        self._tokens.rename(self.folder / "unplugged")
        self._tokens.mkdir()

    def plug_in(self) -> None:
        """Bring it back."""
        self._tokens.rmdir()
        (self.folder / "unplugged").rename(self._tokens)

    def _run(self, *arguments: str) -> None:
        program = shutil.which("softhsm2-util")
        if program is None or not MODULE.exists():
            reason = "SoftHSM2 is not installed (Debian package softhsm2)"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        environment = os.environ | self.environment
        subprocess.run([program, *arguments], env=environment, check=True, capture_output=True)


@cache
def token() -> SoftHsm:
    """Return the token of this process, made when first asked for and gone at its end."""
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hsm = SoftHsm(folder)
    os.environ.update(hsm.environment)
    return hsm
