"""The relay between a load and a gateway that costs nothing, and what it is compared with."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.load import http_request
from bench.server import role, started
from bench.targets import fixed_server
from tacita.cli.ports import free_ports

__all__ = ["messages", "plain_proxy", "relay"]

_SIZE = 400
_GATEWAY = {
    b"": ("message/ohttp-res", os.urandom(_SIZE)),
    b"/keys": ("application/ohttp-keys", os.urandom(45)),
    b"/challenge": ("application/json", b"{}"),
    b"/directory": ("application/private-token-issuer-directory", b"{}"),
}


def messages(path: str, count: int) -> list[bytes]:
    """Return `count` one-shot messages of 400 bytes for `path`."""
    return [http_request(path, os.urandom(_SIZE), ("Content-Type", "message/ohttp-req"))] * count


@asynccontextmanager
async def relay(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run a relay in front of a fixed gateway; yield process id and port. Messages go to /gateway."""
    async with fixed_server(_GATEWAY) as upstream:
        base = f"http://127.0.0.1:{upstream}"
        gateway = {
            "name": "gateway",
            "url": f"{base}/keys",
            "challenge_url": f"{base}/challenge",
            "issuer_directory_url": f"{base}/directory",
        }
        async with role("relay", folder, {"gateways": [gateway]}) as running:
            yield running


@asynccontextmanager
async def plain_proxy() -> AsyncIterator[tuple[int, int]]:
    """Run a plain aiohttp reverse proxy in front of the same gateway."""
    async with fixed_server(_GATEWAY) as upstream:
        (port,) = free_ports(1)
        arguments = ["-m", "bench.plain_proxy", str(port), f"http://127.0.0.1:{upstream}"]
        async with started(arguments, f"http://127.0.0.1:{port}/") as pid:
            yield pid, port
