"""`python -m loadtest.local.store --config FILE`: becomes a Redis as spent stores have to be.

A process of its own before it becomes one, so that it ends with the harness however that ends.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from tacita.errors import ConfigError
from tacita.service.config import Struct, load

__all__ = ["Config", "main"]


class Config(Struct, frozen=True):
    """Where it keeps everything."""

    folder: str


def main() -> int:
    """Become redis-server; return only where there is none."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.local.store")
    parser.add_argument("--config", type=Path, required=True)
    folder = Path(load(parser.parse_args().config, Config).folder)
    binary = shutil.which("redis-server")
    if binary is None:
        sys.stderr.write(f"tacita-load: {ConfigError('redis-server is not installed.')}\n")
        return 1
    os.execv(  # noqa: S606 (a fixed program, no shell)
        binary,
        [
            binary,
            *("--port", "0", "--unixsocket", str(folder / "redis.sock"), "--dir", str(folder)),
            *("--pidfile", str(folder / "redis.pid")),
            *("--appendonly", "yes", "--maxmemory-policy", "noeviction"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
