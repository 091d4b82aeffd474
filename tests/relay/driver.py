"""Runs the relay as `python -m relay` does, and prints the modules that it has loaded when it ends."""

import json
import sys

from relay.__main__ import main

code = main()
print(json.dumps(sorted(sys.modules)))
sys.exit(code)
