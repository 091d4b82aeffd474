"""`python -m loadtest` is `tacita-load`."""

import sys

from loadtest.cli import main

if __name__ == "__main__":
    sys.exit(main())
