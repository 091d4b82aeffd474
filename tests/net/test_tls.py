"""TLS 1.3 and nothing older, on both sides (R8)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import LOOPBACK, Authority, self_signed

from tacita.errors import ConfigError
from tacita.net.tls import client_context, server_context
from tacita.net.upstream import Upstream, UpstreamUnreachable


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """Return the version that the two agree on. Raises `ssl.SSLError` where they do not."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(down, up, server_hostname="127.0.0.1"),
        server.wrap_bio(up, down, server_side=True),
    ]
    waiting = list(sides)
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    return sides[0].version()


async def test_a_client_of_ours_and_a_server_of_ours_speak_1_3(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = server_context(certificate, key)
    assert shake_hands(client_context(certificate), server) == "TLSv1.3"
    assert server.num_tickets == 0
    async with (
        serving(server) as port,
        Upstream(f"https://127.0.0.1:{port}", tls=client_context(certificate)) as upstream,
        upstream.request("GET", "/", []) as answer,
    ):
        assert [piece async for piece in answer.pieces()] == [b"ok"]


def test_a_client_with_1_2_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    old = ssl.create_default_context(cafile=certificate)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(old, server_context(certificate, key))


def test_a_server_with_1_2_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(certificate, key)
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(client_context(certificate), old)


async def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other")
    async with (
        serving(server_context(certificate, key)) as port,
        Upstream(f"https://127.0.0.1:{port}", tls=client_context(other)) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable):
            async with upstream.request("GET", "/", []):
                pass


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    _, other_key = self_signed(tmp_path / "other")
    for pair in ((certificate, other_key), (key, certificate), (tmp_path / "none", key)):
        with pytest.raises(ConfigError):
            server_context(*pair)
    for authority in (key, tmp_path / "none"):
        with pytest.raises(ConfigError):
            client_context(authority)


class Sides:
    """A server that asks for certificates of `clients`, and clients with this and that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients = Authority(folder / "clients")
        self.servers = Authority(folder / "servers")
        self.own = self.servers.issue("server", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)

    def server(self, *, optional: bool) -> ssl.SSLContext:
        return server_context(*self.own, self.clients.certificate, client_optional=optional)

    def client(self, identity: tuple[Path, Path] | None) -> ssl.SSLContext:
        context = client_context(self.servers.certificate)
        if identity is not None:
            context.load_cert_chain(*identity)
        return context


@pytest.mark.parametrize("optional", [False, True])
def test_a_client_certificate_of_the_authority_is_taken(tmp_path: Path, optional: bool) -> None:
    sides = Sides(tmp_path)
    client = sides.client(sides.clients.issue("alice"))
    assert shake_hands(client, sides.server(optional=optional)) == "TLSv1.3"


def test_a_client_certificate_may_be_demanded_or_not(tmp_path: Path) -> None:
    sides = Sides(tmp_path)
    assert shake_hands(sides.client(None), sides.server(optional=True)) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(sides.client(None), sides.server(optional=False))


@pytest.mark.parametrize("optional", [False, True])
def test_another_client_certificate_is_never_taken(tmp_path: Path, optional: bool) -> None:
    sides = Sides(tmp_path)
    for identity in (
        Authority(tmp_path / "foreign").issue("alice"),
        sides.clients.issue("alice", usage=ExtendedKeyUsageOID.SERVER_AUTH),
        sides.clients.issue("alice", ends=-timedelta(minutes=1)),
        self_signed(tmp_path),
    ):
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            shake_hands(sides.client(identity), sides.server(optional=optional))


def test_a_client_authority_that_is_none(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    for authority in (key, tmp_path / "none"):
        with pytest.raises(ConfigError):
            server_context(certificate, key, authority)
