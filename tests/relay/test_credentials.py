"""How relay and gateway know each other, and that nobody else is shown what the relay shows."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import LOOPBACK, Authority, self_signed
from support.raw_http import fields
from support.relays import Gateway, gateway_running, relay_of, relay_running, request

from relay.config import GatewayConfig, GatewayTls, MirrorLimits
from relay.credentials import Credentials
from tacita.errors import ConfigError
from tacita.net import tls

QUICK = MirrorLimits(refresh_min_seconds=0.02, refresh_max_seconds=0.05)


@asynccontextmanager
async def over_tls(gateway: Gateway, context: ssl.SSLContext) -> AsyncIterator[str]:
    """Serve `gateway` with TLS; give its origin."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await gateway.handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def secret(folder: Path, content: bytes = b"c2VjcmV0.-_~+/==\n") -> Path:
    path = folder / "bearer"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


async def asked(config: GatewayConfig) -> bytes:
    """Return the status of a request to a relay for `config`, when it has looked at the gateway."""
    async with relay_running(relay_of(config), wait=False) as relay:
        head, _ = await relay.ask(request())
        for _ in range(200):
            if head.startswith(b"HTTP/1.1 200 "):
                break
            await asyncio.sleep(0.01)
            head, _ = await relay.ask(request())
        return head.split(b" ")[1]


async def test_the_gateway_is_known_by_its_own_authority(gateway: Gateway, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    files = authority.issue("", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    async with over_tls(gateway, tls.server_context(*files)) as origin:

        async def with_tls(trust: GatewayTls) -> bytes:
            return await asked(gateway.table(origin=origin, tls=trust, mirror=QUICK))

        assert await with_tls(GatewayTls(authority=authority.certificate)) == b"200"
        assert await with_tls(GatewayTls(authority=other.certificate)) == b"503"
        assert await with_tls(GatewayTls()) == b"503", "the system's roots do not know it"


async def test_a_gateway_may_want_the_relay_s_certificate(gateway: Gateway, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server = authority.issue("", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    certificate, key = authority.issue("relay")
    context = tls.server_context(*server, authority.certificate)
    async with over_tls(gateway, context) as origin:
        trust = GatewayTls(authority=authority.certificate, certificate=certificate, private_key=key)
        assert await asked(gateway.table(origin=origin, tls=trust, mirror=QUICK)) == b"200"
        trust = GatewayTls(authority=authority.certificate)
        assert await asked(gateway.table(origin=origin, tls=trust, mirror=QUICK)) == b"503"


async def test_the_secret_is_said_to_the_gateway_alone(gateway: Gateway, tmp_path: Path) -> None:
    async with gateway_running() as issuer:
        config = GatewayConfig(
            name="one",
            url=f"http://127.0.0.1:{gateway.port}/message",
            challenge_url=f"http://127.0.0.1:{gateway.port}/challenge",
            issuer_directory_url=f"http://127.0.0.1:{issuer.port}/directory",
            bearer=secret(tmp_path),
        )
        async with relay_running(relay_of(config)) as relay:
            await relay.ask(request(extra="Authorization: Bearer mine\r\n"))
            head, body = await relay.ask(request())
            statement = await relay.ask(b"GET / HTTP/1.1\r\nHost: r\r\n\r\n")
        for seen in (*gateway.heads, *gateway.gets):
            assert fields(seen)["authorization"] == "Bearer c2VjcmV0.-_~+/=="
        assert gateway.heads[0] == gateway.heads[1]
        assert len(gateway.gets) == 2
        assert "authorization" not in fields(*issuer.gets)
        assert b"c2VjcmV0" not in head + body + b"".join(statement)


async def test_another_secret_in_the_file_is_another_gateway(gateway: Gateway, tmp_path: Path) -> None:
    config = gateway.table(bearer=secret(tmp_path), mirror=QUICK)
    async with relay_running(relay_of(config)) as relay:
        secret(tmp_path, b"newer")
        await relay.take(relay_of(config))
        for _ in range(500):
            await relay.ask(request())
            if fields(gateway.heads[-1])["authorization"] == "Bearer newer":
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the secret is still the old one")


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"a\r\nX: y", b"\xff", b"=", b"a=b"])
def test_what_is_no_token_is_refused(gateway: Gateway, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="bearer token"):
        Credentials.load(gateway.table(bearer=secret(tmp_path, content)), tls.client_context())


def test_a_secret_that_others_can_read_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    path = secret(tmp_path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Credentials.load(gateway.table(bearer=path), tls.client_context())


def test_halves_of_different_pairs_are_refused(gateway: Gateway, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    certificate, _ = self_signed(tmp_path / "a")
    _, key = self_signed(tmp_path / "b")
    trust = GatewayTls(certificate=certificate, private_key=key)
    with pytest.raises(ConfigError, match="belong together"):
        Credentials.load(gateway.table(origin="https://g.example", tls=trust), tls.client_context())


def test_the_relay_speaks_tls_1_3_only(gateway: Gateway) -> None:
    credentials = Credentials.load(gateway.table(origin="https://g.example"), tls.client_context())
    assert credentials.context.minimum_version == ssl.TLSVersion.TLSv1_3
