"""What the figures were measured on: the machine, the versions, the date."""

import datetime
import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.nginx import installed

__all__ = ["machine"]

_PACKAGES = ("uvloop", "httptools", "aiohttp", "cryptography")


def machine() -> list[tuple[str, str]]:
    """Return what and which, row by row."""
    cores = len(os.sched_getaffinity(0))
    return [
        ("date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", f"{_processor()}, {cores} core{'s' if cores > 1 else ''}"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB"),
        ("load before the run", " ".join(f"{load:.1f}" for load in os.getloadavg())),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("CPython", platform.python_version()),
        ("OpenSSL of CPython", ssl.OPENSSL_VERSION),
        ("packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
        ("Redis", _said(("redis-server", "--version"), r"v=(\S+)")),
        ("nginx", _said((installed() or "nginx", "-v"), r"nginx/(\S+)")),
        ("openssl speed", _said(("openssl", "version"), r"(OpenSSL \S+)")),
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = found[1] if found else platform.processor()
    with_ifma = "avx512ifma" in Path("/proc/cpuinfo").read_text()
    return f"{name} ({'with' if with_ifma else 'without'} AVX512-IFMA)"


def _said(command: tuple[str, ...], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "not installed"
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"
