"""`python -m relay --config FILE`"""

import sys

from relay.app import build
from relay.config import RelayConfig
from tacita.service.run import run

__all__ = ["main"]


def main() -> int:
    """Run the relay; return the process's exit code."""
    return run("relay", RelayConfig, build)


if __name__ == "__main__":
    sys.exit(main())
