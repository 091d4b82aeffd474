"""Real relays at the front of a real gateway: by a certificate, by a secret, and strangers not at all."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import LOOPBACK, Authority
from support.gateways import PATH, Place, get, place_running, token
from support.ports import free_ports
from support.processes import Role, role, start

from tacita import bhttp
from tacita.ohttp import media, oneshot
from tacita.ohttp.keyconfig import decode_list

pytestmark = pytest.mark.e2e


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_running(tmp_path) as running:
        yield running


@asynccontextmanager
async def gateway(place: Place, front: str) -> AsyncIterator[tuple[Role, int]]:
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, front=front)
    async with role("gateway", text, place.folder, admin_port=admin_port) as running:
        yield running, port


def relay_config(place: Place, gateway: str, port: int, admin_port: int, shown: str) -> str:
    return f"""
        drain_notice_seconds = 0.0
        [listen]
        port = {port}
        [admin]
        port = {admin_port}
        [[gateways]]
        name = "default"
        url = "{gateway}{PATH}"
        challenge_url = "{gateway}/challenge"
        issuer_directory_url = "http://127.0.0.1:{place.directory_port}/directory"
        {shown}
        """


async def ask(url: str) -> int:
    """Return the status inside of a request that is paid for, through the relay at `url`."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/keys") as response:
            config, *_ = decode_list(await response.read())
        sealed, context = oneshot.encapsulate_request(config, bhttp.encode_request(get(token())))
        async with session.post(url, data=sealed, headers={"Content-Type": media.REQUEST}) as response:
            assert response.status == 200
            return bhttp.decode_response(context.decapsulate_response(await response.read())).head.status


def write_secret(path: Path, secret: str) -> Path:
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return path


async def require_stranger(place: Place, url: str, shown: str, folder: Path) -> None:
    """Start a relay that the gateway does not let in: it never gets its documents."""
    port, admin_port = free_ports(2)
    text = relay_config(place, url, port, admin_port, shown)
    stranger = await start("relay", text, folder, admin_port=admin_port)
    await stranger.wait_ready(503)
    while stranger.output().count('"event":"mirror"') < 3:
        assert stranger.process.returncode is None, stranger.output()
        await stranger.wait_ready(503)
    _, waits = await stranger.admin("/readyz")
    assert "default/keys" in waits
    assert await stranger.stop() == 0


async def test_by_secrets(place: Place, tmp_path: Path) -> None:
    secret = secrets.token_hex(32)
    write_secret(place.folder / "relays", f"{secret}\n{secrets.token_hex(32)}")
    async with gateway(place, 'bearer = "relays"') as (_, gateway_port):
        url = f"http://127.0.0.1:{gateway_port}"
        shown = f'bearer = "{write_secret(tmp_path / "mine", secret)}"'
        port, admin_port = free_ports(2)
        text = relay_config(place, url, port, admin_port, shown)
        async with role("relay", text, tmp_path, admin_port=admin_port) as relay:
            assert await ask(f"http://127.0.0.1:{port}/default") == 200
            assert secret not in relay.output()
        assert secret not in b"".join(place.target.heads).decode()
        await require_stranger(place, url, "", tmp_path)


async def test_by_certificates(place: Place, tmp_path: Path) -> None:
    server, relays = Authority(tmp_path / "server"), Authority(tmp_path / "relays", "relays")
    pair = server.issue("gateway", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    front = (
        f'tls_certificate = "{pair[0]}"\ntls_private_key = "{pair[1]}"\n'
        f'tls_client_authority = "{relays.certificate}"'
    )
    async with gateway(place, front) as (_, gateway_port):
        url = f"https://127.0.0.1:{gateway_port}"
        ours = relays.issue("relay")
        tls = (
            f'[gateways.tls]\nauthority = "{server.certificate}"\n'
            f'certificate = "{ours[0]}"\nprivate_key = "{ours[1]}"'
        )
        port, admin_port = free_ports(2)
        text = relay_config(place, url, port, admin_port, tls)
        async with role("relay", text, tmp_path, admin_port=admin_port):
            assert await ask(f"http://127.0.0.1:{port}/default") == 200
        tls = f'[gateways.tls]\nauthority = "{server.certificate}"'
        await require_stranger(place, url, tls, tmp_path)
