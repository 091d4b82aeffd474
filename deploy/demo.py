"""`make demo`: start everything, ask the real model one question, show what each party saw, stop."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTION = "Why is the sky blue? Answer in two sentences."
READY_SECONDS = 90


def main() -> int:
    """Run the two commands that a newcomer runs, one after the other; return the exit code."""
    tacita = Path(sys.executable).with_name("tacita")
    with tempfile.TemporaryDirectory(prefix="tacita-demo-") as folder:
        print("$ tacita up", flush=True)
        up = subprocess.Popen([tacita, "up", "--state", folder])
        try:
            _wait(Path(folder) / "endpoints.json", up)
            print(f'\n$ tacita ask --explain "{QUESTION}"', flush=True)
            ask = [tacita, "ask", "--state", folder, "--explain", "--max-tokens", "120", QUESTION]
            asked = subprocess.run(ask, check=False).returncode
        finally:
            up.send_signal(signal.SIGINT)
            stopped = up.wait()
    return asked or stopped


def _wait(path: Path, up: subprocess.Popen[bytes]) -> None:
    """Wait until `tacita up` says that everything is ready, which is when it writes endpoints.json."""
    deadline = time.monotonic() + READY_SECONDS
    while not path.exists():
        if up.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("tacita up did not become ready.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
