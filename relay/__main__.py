"""`python -m relay --config FILE`, and with `--render` the configuration of another server."""

import sys

from relay.app import build
from relay.config import RelayConfig
from relay.render import command
from tacita.service.run import run

__all__ = ["main"]


def main() -> int:
    """Run the relay, or render its configuration; return the process's exit code."""
    if command.OPTION in sys.argv[1:]:
        return command.main(sys.argv[1:])
    return run("relay", RelayConfig, build, workers=True, epilog=command.EPILOG)


if __name__ == "__main__":
    sys.exit(main())
