"""The issuer's private keys: PEM files in one folder, named by the moment from which each one issues.

    <folder>/blind-rsa-2048.<not-before>.pem        not-before in UNIX seconds

One key issues and there is no turn-over yet, so there is exactly one file. What is published
of a key is made from the file and its name alone: every process that reads the folder serves
the same directory.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tacita.crypto.rsa_keys import KeyMalformed, RsaPrivateKey
from tacita.errors import ConfigError
from tacita.service.keyfiles import create_secret, read_secret

__all__ = ["IssuerKey", "KeyExists", "create_key", "load_key", "load_or_create_key"]

_NAME = re.compile(r"blind-rsa-2048\.(0|[1-9][0-9]{0,11})\.pem")
_DAY = 86_400


class KeyExists(ConfigError):
    """The folder has an issuing key, and there is to be one only."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One issuing key; clients use it from `not_before` (UNIX seconds) on."""

    private_key: RsaPrivateKey = field(repr=False)
    not_before: int


def load_key(folder: Path) -> IssuerKey:
    """Return the key in `folder`.

    Raises:
        ConfigError: there is none, or more than one, or it is readable by others or not a 2048-bit RSA key.
    """
    found = _files(folder)
    if not found:
        raise ConfigError(f"{folder} has no issuing key; run `tacita-issuer key create`.")
    if len(found) > 1:
        raise ConfigError(f"{folder} has more than one issuing key; move all but one of them away.")
    ((not_before, path),) = found
    pem = read_secret(path, "the issuing key")
    try:
        private_key = RsaPrivateKey.from_pem(pem)
    except KeyMalformed:
        raise ConfigError(f"{path} is not an RSA private key in PEM; restore it from a copy.") from None
    if private_key.public_key.n.bit_length() != 2048:
        raise ConfigError(f"{path} is not a key of 2048 bits, which token type 0x0002 demands.")
    return IssuerKey(private_key, not_before)


def load_or_create_key(folder: Path, now: float) -> IssuerKey:
    """Return the key in `folder`, which is made first where there is none. Raises `ConfigError`."""
    if not _files(folder):
        # Another process may be faster; its key is as good.
        with suppress(KeyExists):
            create_key(folder, now)
    return load_key(folder)


def create_key(folder: Path, now: float) -> Path:
    """Make a key that issues from the beginning of this UTC day on; return its file.

    The day and not the second, since clocks differ and nobody needs to know when the command was run.
    Two processes that start at once end with one key.

    Raises:
        KeyExists: there is a key already.
        ConfigError: the folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}.") from None
    if _files(folder):
        raise KeyExists(f"{folder} has an issuing key already; a second one would split its users.")
    path = folder / f"blind-rsa-2048.{int(now) // _DAY * _DAY}.pem"
    try:
        made = create_secret(path, RsaPrivateKey.generate(2048).to_pem())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}.") from None
    if not made:
        raise KeyExists(f"{folder} has an issuing key already; a second one would split its users.")
    return path


def _files(folder: Path) -> list[tuple[int, Path]]:
    """Return not-before and path of each key file, newest first."""
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}.") from None
    named = [(match, path) for path in entries if (match := _NAME.fullmatch(path.name))]
    return sorted(((int(match[1]), path) for match, path in named), reverse=True)
