"""Secrets in files: mode 0600, written whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from tacita.errors import ConfigError

__all__ = ["create_secret", "destroy_secret", "read_secret", "sync_folder", "write_atomic", "write_secret"]


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
        # Over NFS it may be our own: the answer to the link was lost, and the repeated call found it done.
        return temporary.stat().st_nlink == 2
    finally:
        temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def destroy_secret(path: Path) -> bool:
    """Overwrite and remove the file `path`; False: it was not there, or another was first.

    This is the best that a program can do, and no more: flash storage, copy-on-write and journalling
    file systems, snapshots and backups may keep what was in it.
    """
    doomed = path.with_name(f".{path.name}.{secrets.token_hex(8)}.dead")
    try:
        path.rename(doomed)
    except FileNotFoundError:
        return False
    # Not the bytes of a file that stays under another name.
    if doomed.stat().st_nlink == 1:
        with doomed.open("r+b") as file:
            file.write(os.urandom(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
    doomed.unlink()
    sync_folder(path.parent)
    return True


def write_atomic(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` with `content`: whoever reads it sees the old bytes or the new, also after a crash.

    What root writes belongs to whom the folder belongs to: a command that an operator runs as root must
    not take a file away from a service that is not root.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _give_to_owner_of(path.parent, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        # In a container root may not be allowed to.
        with suppress(PermissionError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk: what was made, renamed or removed there stays so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
