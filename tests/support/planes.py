"""The relay's three data planes, each of which a test sees as nothing but a port.

The relay itself runs inside the test's process; nginx and haproxy are those of Debian, started without
privileges in a folder of the test, with the configuration that `tacita-relay --render` writes. Where they
are not installed, the test says so and is skipped, on a machine that has to have them it fails.
"""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from support import raw_http
from support.ports import free_port

from relay.app import build
from relay.config import RelayConfig
from relay.render import haproxy, nginx
from relay.render.plan import Address, Front, plan
from tacita.net.tls import server_context
from tacita.service.config import Listen
from tacita.service.listening import serving
from tacita.service.run import public

__all__ = ["PLANES", "Plane", "Running"]

PLANES = ("relay", "nginx", "haproxy")

_SECONDS = 40.0

_PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


@dataclass(frozen=True)
class Running:
    """A data plane that serves on `port`; `folder` has all that its process may write to."""

    port: int
    folder: Path

    async def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Send `data` on a connection of its own; return the answer's head and body."""
        async with raw_http.connection(self.port) as (reader, writer):
            writer.write(data)
            head = await raw_http.read_head(reader)
            return head, await raw_http.read_body(reader, head)


@dataclass(frozen=True)
class Plane:
    """One of `PLANES`, for one test with `folder`."""

    name: str
    folder: Path

    @asynccontextmanager
    async def running(
        self, config: RelayConfig, *, tls: tuple[Path, Path] | None = None, wait: bool = True
    ) -> AsyncIterator[Running]:
        """Run it with `config`, and wait until it serves. `tls`: its certificate and private key."""
        context = server_context(*tls) if tls else None
        # A test that waits for what never comes is to say so, and to end what it has started.
        async with asyncio.timeout(_SECONDS), AsyncExitStack() as stack:
            behind = context if self.name == "relay" else None
            port = await stack.enter_async_context(_relay(config, behind, wait=wait))
            if self.name != "relay":
                config = msgspec.structs.replace(config, listen=Listen(port=port))
                front = Front(Address("127.0.0.1", free_port()), *(tls or ()))
                port = await stack.enter_async_context(self._server(config, front))
            yield Running(port, self.folder)

    @asynccontextmanager
    async def _server(self, config: RelayConfig, front: Front) -> AsyncIterator[int]:
        program = shutil.which(self.name, path=_PLACES)
        if program is None:
            if os.environ.get("CI"):
                pytest.fail(f"{self.name} is not installed; see deploy/need-packages")
            pytest.skip(f"{self.name} is not installed; see deploy/need-packages")
        render = {"nginx": nginx.render, "haproxy": haproxy.render}[self.name]
        file = self.folder / f"{self.name}.conf"
        file.write_text(render(plan(config, front)))
        arguments = {
            "nginx": ["-p", str(self.folder), "-c", str(file), "-e", "stderr", "-g", _as_ourselves()],
            "haproxy": ["-db", "-f", str(file)],
        }[self.name]
        with (self.folder / "said").open("w") as said:
            process = await asyncio.create_subprocess_exec(
                program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said
            )
        try:
            assert await _open(front.listen.port, process), (self.folder / "said").read_text()
            yield front.listen.port
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _as_ourselves() -> str:
    # Root would hand its workers to another user, who cannot write to the folder: nothing would be seen.
    return "daemon off; user root;" if os.getuid() == 0 else "daemon off;"


@asynccontextmanager
async def _relay(config: RelayConfig, context: ssl.SSLContext | None, *, wait: bool) -> AsyncIterator[int]:
    service = await build(config)
    async with serving(public(service), None, context) as port:
        while wait and not service.readiness.ready:  # noqa: ASYNC110 - as the shell waits
            await asyncio.sleep(0.01)
        yield port.port


async def _open(port: int, process: asyncio.subprocess.Process) -> bool:
    """Wait until somebody listens at `port`; False when `process` ends before."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return True
    return False
