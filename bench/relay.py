"""The relay between a load and a gateway that costs nothing, and what it is compared with."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.certificates import Certificate
from bench.load import http_request
from bench.nginx import nginx
from bench.server import role, started
from bench.targets import Answers, fixed_server
from tacita.cli.ports import free_ports

__all__ = [
    "DOCUMENTS",
    "PATH",
    "SIZE",
    "answers",
    "behind_nginx",
    "behind_relay",
    "messages",
    "plain_proxy",
    "relay",
]

PATH = "/gateway"
SIZE = 400
DOCUMENTS: Answers = {
    b"/keys": ("application/ohttp-keys", (43).to_bytes(2) + os.urandom(43)),
    b"/challenge": ("application/json", b"{}"),
    b"/directory": ("application/private-token-issuer-directory", b"{}"),
}

# One address is all clients here: its limits are looked at for each request, and never reached.
_ADDRESS = {
    "per_second": 1e9,
    "burst": 1_000_000_000,
    "concurrent": 1_000_000,
    "connections": 1_000_000,
}


def answers(size: int) -> Answers:
    """Return what a gateway answers that has no work: messages of `size` bytes."""
    return {b"": ("message/ohttp-res", os.urandom(size)), **DOCUMENTS}


def messages(path: str, count: int, size: int = SIZE) -> list[bytes]:
    """Return `count` one-shot messages of `size` bytes for `path`."""
    return [http_request(path, os.urandom(size), ("Content-Type", "message/ohttp-req"))] * count


@asynccontextmanager
async def relay(
    folder: Path,
    upstream: int,
    *,
    tls: Certificate | None = None,
    workers: int = 1,
    paths: tuple[str, str, str] = ("/keys", "/challenge", "/directory"),
    limits: Mapping[str, int] | None = None,
    core: int | None = None,
) -> AsyncIterator[tuple[int, int]]:
    """Run a relay in front of 127.0.0.1:`upstream`; yield process id and port. Messages go to /gateway.

    With `tls` both legs have it. `paths` are those of the keys, of the challenge and of the directory,
    or URLs.
    """
    base = f"{'https' if tls else 'http'}://127.0.0.1:{upstream}"
    urls = [path if path.startswith("http") else base + path for path in paths]
    gateway: dict[str, Any] = {
        "name": PATH[1:],
        "limits": dict(limits or {}),
        **dict(zip(("url", "challenge_url", "issuer_directory_url"), urls, strict=True)),
    }
    table: dict[str, Any] = {
        "gateways": [gateway],
        "limits": {"connections": 20_000, "per_address": _ADDRESS},
    }
    if tls is not None:
        gateway["tls"] = {"authority": str(tls.path)}
        table["listen"] = {"tls_certificate": str(tls.path), "tls_private_key": str(tls.private_key)}
    async with role("relay", folder, table, workers=workers, core=core) as running:
        yield running


@asynccontextmanager
async def behind_relay(
    folder: Path, size: int = SIZE, *, tls: Certificate | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Run a relay in front of a fixed gateway."""
    async with (
        fixed_server(answers(size), tls=tls.server() if tls else None) as upstream,
        relay(folder, upstream, tls=tls) as running,
    ):
        yield running


@asynccontextmanager
async def behind_nginx(
    folder: Path, size: int = SIZE, *, tls: Certificate | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Run nginx in front of the same gateway."""
    async with (
        fixed_server(answers(size), tls=tls.server() if tls else None) as upstream,
        nginx(folder, upstream, size, tls=tls) as running,
    ):
        yield running


@asynccontextmanager
async def plain_proxy(size: int = SIZE) -> AsyncIterator[tuple[int, int]]:
    """Run a plain aiohttp reverse proxy in front of the same gateway."""
    async with fixed_server(answers(size)) as upstream:
        (port,) = free_ports(1)
        arguments = ["-m", "bench.plain_proxy", str(port), f"http://127.0.0.1:{upstream}"]
        async with started(arguments, f"http://127.0.0.1:{port}/") as pid:
            yield pid, port
