"""The table `[signer]`: which engine signs for token type 0x0002, and where its keys are."""

import re
from pathlib import Path
from typing import Literal

from tacita.service.config import Struct

__all__ = ["EngineName", "HsmTable", "SignerConfig"]

EngineName = Literal["auto", "crypto_mb", "libcrypto", "gmp", "pkcs11"]

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class HsmTable(Struct, frozen=True):
    """A device behind PKCS#11. The issuer makes and destroys its keys itself."""

    module: Path
    """The device's library."""
    token: str
    """The label of the token."""
    pin_file: Path
    """A file with its PIN (0600)."""
    label_prefix: str = "tacita-issuer"
    """Keys are called `<prefix>.<32 hexadecimal digits>`; whatever else is in the token is left alone."""
    seconds: float = 30.0
    """How long one call may take: a whole batch, or a new key."""

    def __post_init__(self) -> None:
        """Refuse a prefix that would not read back, and a bound that is none."""
        if not _PREFIX.fullmatch(self.label_prefix):
            raise ValueError("label_prefix is 1 to 32 letters, digits, _ and -")
        if self.seconds <= 0:
            raise ValueError("seconds is more than 0")


class SignerConfig(Struct, frozen=True):
    """`auto` takes the fastest engine that this machine has; any other name that one or none."""

    engine: EngineName = "auto"
    hsm: HsmTable | None = None

    def __post_init__(self) -> None:
        """Refuse an HSM that is not used, and a use without one."""
        if (self.engine == "pkcs11") != (self.hsm is not None):
            raise ValueError('engine = "pkcs11" and the table hsm go together')
