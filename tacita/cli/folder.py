"""The state folder of a deployment: ours as a whole, told by a marker file, and held by one process.

Nothing in a folder without the marker is ever touched. The lock is on the marker, so that it
is gone with the process that holds it, however that ended.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tacita.errors import ConfigError

__all__ = ["clear", "held"]

_MARKER = ".tacita-deployment"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be; no second process can until the end of the context.

    Raises:
        ConfigError: another process holds it, it is not ours, or it cannot be written.
    """
    _claim(folder)
    with (folder / _MARKER).open("rb") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"A deployment is running in {folder}; stop it, or name another folder with --state."
            ) from None
        yield


def clear(folder: Path) -> None:
    """Remove everything in `folder`, which is made if need be.

    Raises:
        ConfigError: it is not ours, or cannot be written.
    """
    _claim(folder)
    try:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _MARKER:
                entry.unlink()
    except OSError as error:
        raise _unusable(folder, error) from None


def _claim(folder: Path) -> None:
    marker = folder / _MARKER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()) and not marker.exists():
            raise ConfigError(
                f"The folder {folder} holds something else; name an empty or a new one with --state."
            )
        marker.touch()
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"The folder {folder} cannot be used: {error.strerror}.")
