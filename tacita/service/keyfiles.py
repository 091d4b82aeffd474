"""Secrets in files: mode 0600, written whole or not at all."""

import os
import secrets
from pathlib import Path

from tacita.errors import ConfigError

__all__ = ["create_secret", "read_secret", "write_atomic", "write_secret"]


def read_secret(path: Path, what: str) -> bytes:
    """Return the content of `path`; `what` names it in errors ("the gateway's private key").

    Raises:
        ConfigError: it is missing, unreadable, or readable by others than its owner.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise ConfigError(f"{path} ({what}) cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        raise ConfigError(f"{path} ({what}) is readable by others than its owner; run chmod 600 {path}.")
    return content


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600, atomically and durably."""
    write_atomic(path, content, mode=0o600)


def create_secret(path: Path, content: bytes) -> bool:
    """Write `content` to `path` as `write_secret` does, unless it exists; False: another was first."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        write_secret(temporary, content)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
        _sync(path.parent)
    return True


def write_atomic(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` with `content`: whoever reads it sees the old bytes or the new, also after a crash."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the names in `folder` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
