"""`python -m node --config FILE`: run a node."""

import sys

from node.config import NodeConfig
from tacita.service.run import EXIT_CONFIG, run

__all__ = ["main"]


def main() -> int:
    """Run the node until it is told to stop; return the exit code."""
    try:
        from node.app import build  # noqa: PLC0415 - a node without its extra says what is missing
    except ModuleNotFoundError as error:
        if error.name != "xllamacpp":
            raise
        sys.stderr.write("tacita-node: The engine is not installed; run: pip install 'tacita[node]'\n")
        return EXIT_CONFIG
    return run("node", NodeConfig, build)


if __name__ == "__main__":
    sys.exit(main())
