"""TLS on both legs: 1.3 only, the gateway's certificate checked, nothing that outlives a connection."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import Authority, self_signed
from support.differences import outcome
from support.planes import Plane
from support.ports import free_port
from support.raw_http import fields, read_body
from support.relays import Gateway, relay_of, request

from relay.config import GatewayTls, RelayConfig

LOCALHOST = x509.DNSName("localhost")


def server(authority: Authority, name: str = "localhost") -> ssl.SSLContext:
    """Return a context with a certificate of `authority` for the host `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = authority.issue(name, alternative=[x509.DNSName(name)], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    context.load_cert_chain(*chain)
    return context


@asynccontextmanager
async def serving(
    gateway: Gateway, context: ssl.SSLContext, port: int, seen: list[ssl.SSLObject] | None = None
) -> AsyncIterator[None]:
    """Have `gateway` serve at `port` with `context`; what TLS is like there goes into `seen`."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        if seen is not None:
            seen.append(writer.get_extra_info("ssl_object"))
        try:
            await gateway.handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    running = await asyncio.start_server(one, "127.0.0.1", port, ssl=context)
    try:
        yield
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def config(gateway: Gateway, port: int, tls: GatewayTls) -> RelayConfig:
    return relay_of(gateway.table(origin=f"https://localhost:{port}", tls=tls))


async def test_a_gateway_with_the_right_certificate_is_asked_by_tls_1_3_without_resumption(
    gateway: Gateway, plane: Plane
) -> None:
    authority, port = Authority(plane.folder / "authority"), free_port()
    seen: list[ssl.SSLObject] = []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: 6\r\n"
            b"Connection: close\r\n\r\nanswer"
        )
        await writer.drain()
        raise ConnectionAbortedError

    gateway.answer = answer
    tls = GatewayTls(authority=authority.certificate)
    async with (
        serving(gateway, server(authority), port, seen),
        plane.running(config(gateway, port, tls)) as running,
    ):
        seen.clear()
        for _ in range(3):
            assert (await running.ask(request()))[1] == b"answer"
    assert fields(gateway.heads[0])["host"] == f"localhost:{port}"
    assert len(seen) >= 3
    assert {one.version() for one in seen} == {"TLSv1.3"}
    assert not any(one.session_reused for one in seen)


@pytest.mark.parametrize("wrong", ["authority", "name", "version"])
async def test_a_gateway_that_cannot_prove_itself_is_told_nothing(
    gateway: Gateway, plane: Plane, wrong: str
) -> None:
    authority, port = Authority(plane.folder / "authority"), free_port()
    context = {
        "authority": lambda: server(Authority(plane.folder / "stranger", "stranger")),
        "name": lambda: server(authority, "other.example"),
        "version": lambda: server(authority),
    }[wrong]()
    if wrong == "version":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = GatewayTls(authority=authority.certificate)
    async with AsyncExitStack() as stack:
        # The right one is there until the relay has its documents.
        await stack.enter_async_context(serving(gateway, server(authority), port))
        async with plane.running(config(gateway, port, tls)) as running:
            await stack.aclose()
            async with serving(gateway, context, port):
                head, _ = await running.ask(request())
    assert head.split(b" ")[1].decode() in outcome("unreachable", plane.name).split(" or ")
    assert not gateway.heads


async def test_the_relay_shows_its_certificate_to_the_gateway(gateway: Gateway, plane: Plane) -> None:
    authority, port = Authority(plane.folder / "authority"), free_port()
    certificate, key = authority.issue("relay")
    # Where haproxy looks for it.
    beside = certificate.with_name(certificate.name + ".key")
    key.rename(beside)
    context = server(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.certificate)
    seen: list[ssl.SSLObject] = []
    tls = GatewayTls(authority=authority.certificate, certificate=certificate, private_key=beside)
    async with (
        serving(gateway, context, port, seen),
        plane.running(config(gateway, port, tls)) as running,
    ):
        seen.clear()
        assert (await running.ask(request()))[1] == b"answer"
    assert dict(seen[0].getpeercert()["subject"][0])["commonName"] == "relay"  # type: ignore[index, misc]


def client(trusted: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=trusted)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def visit(
    port: int, context: ssl.SSLContext, before: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, tuple[str | None, str | None, bool | None]]:
    """Ask once on a connection that tries to resume `before`; return its session, and what it was like."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=before) as connection,
    ):
        connection.sendall(request())
        said = b""
        while not said.endswith(b"answer"):
            piece = connection.recv(4096)
            assert piece
            said += piece
        alpn = connection.selected_alpn_protocol()
        return connection.session, (connection.version(), alpn, connection.session_reused)


async def test_clients_come_in_by_tls_1_3_and_cannot_resume(gateway: Gateway, plane: Plane) -> None:
    certificate, key = self_signed(plane.folder)
    beside = certificate.with_name(certificate.name + ".key")
    key.rename(beside)
    async with plane.running(gateway.config(), tls=(certificate, beside)) as running:
        context = client(certificate)
        session = None
        for _ in range(2):
            session, facts = await asyncio.to_thread(visit, running.port, context, session)
            assert facts in {("TLSv1.3", "http/1.1", False), ("TLSv1.3", None, False)}
        old = client(certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(visit, running.port, old, None)
