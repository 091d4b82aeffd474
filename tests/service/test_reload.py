"""What a role takes anew while it runs: TLS files that were replaced, and its own hooks on SIGHUP."""

import asyncio
import io
import json
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.x509.oid import ExtendedKeyUsageOID
from support import processes
from support.certificates import LOOPBACK, Authority
from support.ports import free_ports

from tacita.errors import ConfigError
from tacita.service.config import Listen
from tacita.service.logs import Logger
from tacita.service.reload import Hook, Reloading

_PROGRAM = str(Path(__file__).parents[1] / "support" / "sample_role.py")


class Files:
    """The TLS files of one port, and their replacement."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "authority")
        self.certificate, self.key = folder / "port.pem", folder / "port.key"
        self.renew()

    def issue(self) -> tuple[Path, Path]:
        return self.authority.issue("port", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)

    def renew(self, pair: tuple[Path, Path] | None = None) -> bytes:
        """Put another pair into place; return the certificate's DER."""
        for new, path in zip(pair or self.issue(), (self.certificate, self.key), strict=True):
            place(new, path)
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


def place(new: Path, path: Path) -> None:
    """Replace `path` as those do who renew certificates: by a rename."""
    shutil.copy(new, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


async def shown(port: int, authority: Path, client: tuple[Path, Path] | None = None) -> bytes:
    """Return the certificate that the port shows, or raise what the handshake does."""
    context = ssl.create_default_context(cafile=authority)
    if client is not None:
        context.load_cert_chain(*client)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert await reader.readline()
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert isinstance(found, bytes)
        return found
    finally:
        writer.close()


async def until_shown(port: int, authority: Path, wanted: bytes) -> None:
    while True:
        if await shown(port, authority) == wanted:
            return
        await asyncio.sleep(0.02)


async def until_said(role: processes.Role, wanted: str) -> None:
    while True:
        if f'"event":"{wanted}"' in role.output():
            return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def served(reloading: Reloading, listen: Listen, **options: bool) -> AsyncIterator[int]:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    port = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, port, ssl_context=reloading.context(listen, **options)).start()
    try:
        yield port.getsockname()[1]
    finally:
        reloading.end()
        await runner.cleanup()


class Written:
    """A log, and what is in it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.log = Logger("sample", {}, stream=self.stream)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]

    async def until(self, wanted: Iterable[str]) -> None:
        while True:
            if self.events() == list(wanted):
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def listen(files: Files) -> Listen:
    return Listen(tls_certificate=files.certificate, tls_private_key=files.key)


@pytest.mark.parametrize("hooks", [(), (lambda: asyncio.sleep(0),)], ids=["none", "one"])
async def test_without_tls_there_is_no_context_and_nothing_to_do(hooks: tuple[Hook, ...]) -> None:
    written, reloading = Written(), Reloading()
    assert reloading.context(Listen()) is None
    reloading.ask()  # Before it has begun: done as soon as it has.
    reloading.begin(written.log, hooks)
    await asyncio.wait_for(written.until(["reloaded"]), 10)
    reloading.ask()
    await asyncio.wait_for(written.until(["reloaded"] * 2), 10)
    reloading.end()


async def test_a_renewed_certificate_is_served_without_a_signal(files: Files, listen: Listen) -> None:
    written, reloading, old = Written(), Reloading(), files.renew()
    async with served(reloading, listen) as port:
        reloading.begin(written.log, ())
        assert await shown(port, files.authority.certificate) == old
        new = files.renew()
        await asyncio.wait_for(until_shown(port, files.authority.certificate, new), 10)
        assert written.events() == ["tls_files_taken"]


async def test_a_connection_that_is_open_stays(files: Files, listen: Listen) -> None:
    written, reloading = Written(), Reloading()
    context = ssl.create_default_context(cafile=files.authority.certificate)
    async with served(reloading, listen) as port, aiohttp.ClientSession() as session:
        reloading.begin(written.log, ())
        for _ in range(2):
            async with session.get(f"https://127.0.0.1:{port}/", ssl=context) as response:
                assert response.status == 404
            files.renew()
            reloading.ask()
            await asyncio.wait_for(written.until(["tls_files_taken", "reloaded"]), 10)


async def test_a_certificate_without_its_key_yet_changes_nothing(files: Files, listen: Listen) -> None:
    written, reloading, old = Written(), Reloading(), files.renew()
    certificate, key = files.issue()
    async with served(reloading, listen) as port:
        reloading.begin(written.log, ())
        place(certificate, files.certificate)
        reloading.ask()
        await asyncio.wait_for(written.until(["reload_failed", "reloaded"]), 10)
        for _ in range(3):
            assert await shown(port, files.authority.certificate) == old
        place(key, files.key)
        new = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        await asyncio.wait_for(until_shown(port, files.authority.certificate, new), 10)
        assert written.events() == ["reload_failed", "reloaded", "tls_files_taken"]


@pytest.mark.parametrize(
    "broken", [None, b"", b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"]
)
async def test_files_that_cannot_be_used_change_nothing(
    files: Files, listen: Listen, broken: bytes | None
) -> None:
    written, reloading, old = Written(), Reloading(), files.renew()
    async with served(reloading, listen) as port:
        reloading.begin(written.log, ())
        files.certificate.unlink()
        if broken is not None:
            files.certificate.write_bytes(broken)
        # It is said once, not at every look.
        await asyncio.wait_for(written.until(["reload_failed"]), 10)
        await asyncio.sleep(1.2)
        assert written.events() == ["reload_failed"]
        assert await shown(port, files.authority.certificate) == old
        new = files.renew()
        await asyncio.wait_for(until_shown(port, files.authority.certificate, new), 10)


@pytest.mark.parametrize("client_optional", [False, True])
async def test_another_authority_of_the_clients_takes_the_place_of_the_old_one(
    tmp_path: Path, files: Files, client_optional: bool
) -> None:
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    clients = tmp_path / "clients.pem"
    place(ours.certificate, clients)
    listen = Listen(
        tls_certificate=files.certificate, tls_private_key=files.key, tls_client_authority=clients
    )
    written, reloading, trusted = Written(), Reloading(), files.authority.certificate
    async with served(reloading, listen, client_optional=client_optional) as port:
        reloading.begin(written.log, ())
        mine, other = ours.issue("relay"), theirs.issue("relay")
        await shown(port, trusted, mine)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await shown(port, trusted, other)
        place(theirs.certificate, clients)
        await asyncio.wait_for(written.until(["tls_files_taken"]), 10)
        await shown(port, trusted, other)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await shown(port, trusted, mine)
        if client_optional:
            await shown(port, trusted)
        else:
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                await shown(port, trusted)


async def test_a_hook_that_fails_is_logged_without_words_and_the_others_run() -> None:
    written, reloading = Written(), Reloading()
    ran = []

    async def refused() -> None:
        raise ConfigError("canary")

    async def defective() -> None:
        raise ValueError("canary")

    async def fine() -> None:
        ran.append(1)

    reloading.begin(written.log, (refused, defective, fine))
    for count in (1, 2):
        reloading.ask()
        await asyncio.wait_for(written.until(["reload_failed", "internal_error", "reloaded"] * count), 10)
        assert len(ran) == count
    assert "canary" not in written.stream.getvalue()
    reloading.end()


def test_what_is_wrong_at_the_start_is_refused(files: Files, listen: Listen) -> None:
    files.key.unlink()
    with pytest.raises(ConfigError, match="cannot be loaded"):
        asyncio.run(_context(listen))


async def _context(listen: Listen) -> None:
    Reloading().context(listen)


async def test_a_process_takes_its_certificate_anew_and_outlives_the_signal(
    tmp_path: Path, files: Files
) -> None:
    port, admin_port = free_ports(2)
    old = files.renew()
    text = (
        f'[listen]\nport = {port}\ntls_certificate = "{files.certificate}"\ntls_private_key = "{files.key}"\n'
        f"[admin]\nport = {admin_port}\n"
    )
    async with processes.role("sample", text, tmp_path, admin_port=admin_port, command=[_PROGRAM]) as role:
        assert await shown(port, files.authority.certificate) == old
        files.certificate.write_text("nothing")
        role.process.send_signal(signal.SIGHUP)
        await asyncio.wait_for(until_said(role, "reloaded"), 10)
        assert await shown(port, files.authority.certificate) == old
        new = files.renew()
        role.process.send_signal(signal.SIGHUP)
        await asyncio.wait_for(until_shown(port, files.authority.certificate, new), 10)
        assert await role.stop() == 0
        assert role.output().count('"event":"tls_files_taken"') == 1
