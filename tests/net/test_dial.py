"""Connecting: which addresses are acceptable, and that the one that was judged is the one that is opened."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import Authority
from support.ports import free_port
from support.raw_http import read_head, serving
from support.resolver import resolving

from tacita.net.dial import Address, Policy, anywhere, public_only
from tacita.net.tls import client_context, server_context
from tacita.net.upstream import Upstream, UpstreamUnreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not public_only(ip_address(address))
    assert anywhere(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"],
)
def test_what_is_public_is_taken(address: str) -> None:
    assert public_only(ip_address(address))


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    writer.write(OK)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def named(*answers: list[str], policy: Policy = anywhere) -> AsyncIterator[tuple[Upstream, list[str]]]:
    """Give an upstream whose name resolves to `answers`, one after the other, with a server at 127.0.0.1."""
    async with serving(answering) as port, Upstream(f"http://name.example:{port}", policy=policy) as upstream:
        with resolving(*answers) as asked:
            yield upstream, asked


async def get(client: Upstream) -> bytes:
    async with client.request("GET", "/", []) as answer:
        return await answer.read()


def but_not(*refused: str) -> Policy:
    def policy(address: Address) -> bool:
        return str(address) not in refused

    return policy


async def test_the_address_that_was_judged_is_the_one_that_is_opened() -> None:
    judged: list[str] = []

    def policy(address: Address) -> bool:
        judged.append(str(address))
        return True

    # A second look at the name would find another address.
    async with named(["127.0.0.1"], ["127.0.0.9"], policy=policy) as (upstream, asked):
        assert await get(upstream) == b"ok"
        assert upstream.local_address.startswith("127.0.0.1:")
    assert judged == ["127.0.0.1"]
    assert asked == ["name.example"]


async def test_a_name_that_leads_to_where_it_must_not_is_unreachable() -> None:
    async with named(["127.0.0.1"], policy=public_only) as (upstream, _):
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_only_acceptable_addresses_of_a_name_are_tried() -> None:
    async with named(["127.0.0.2", "127.0.0.1"], policy=but_not("127.0.0.2")) as (upstream, _):
        assert await get(upstream) == b"ok"


async def test_a_literal_address_is_judged_too() -> None:
    async with (
        serving(answering) as port,
        Upstream(f"http://127.0.0.1:{port}", policy=public_only) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_the_next_address_is_tried_where_nobody_answers() -> None:
    # The server listens at 127.0.0.1 alone.
    async with named(["127.0.0.3", "127.0.0.1"]) as (upstream, _):
        assert await get(upstream) == b"ok"


async def test_an_address_that_never_answers_leaves_time_for_the_next() -> None:
    # A queue of connections that is full: further ones are neither taken nor refused.
    with socket.socket() as full:
        full.bind(("127.0.0.4", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.4", port))
        server = await asyncio.start_server(answering, "127.0.0.1", port)
        with resolving(["127.0.0.4", "127.0.0.1"]):
            async with server, Upstream(f"http://name.example:{port}", connect_seconds=1) as upstream:
                assert await get(upstream) == b"ok"
        for one in waiting:
            one.close()


@pytest.mark.parametrize("found", [[], ["127.0.0.3", "127.0.0.5"]])
async def test_no_address_is_unreachable(found: list[str]) -> None:
    async with named(found) as (upstream, _):
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


@pytest.mark.parametrize(("named", "reached"), [("name.example", True), ("other.example", False)])
async def test_over_tls_the_server_has_to_prove_the_name(named: str, reached: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue(
        "x", alternative=[x509.DNSName("name.example")], usage=ExtendedKeyUsageOID.SERVER_AUTH
    )

    server = await asyncio.start_server(answering, "127.0.0.1", 0, ssl=server_context(certificate, key))
    port = server.sockets[0].getsockname()[1]
    tls = client_context(authority.certificate)
    with resolving(["127.0.0.1"], ["127.0.0.1"]):
        async with server, Upstream(f"https://{named}:{port}", tls=tls) as upstream:
            if reached:
                assert await get(upstream) == b"ok"
                assert await get(upstream) == b"ok"
            else:
                with pytest.raises(UpstreamUnreachable):
                    await get(upstream)


@pytest.mark.parametrize("host", ["a..b", "a" * 300])
async def test_what_is_no_name_is_unreachable(host: str) -> None:
    async with Upstream(f"http://{host}:1") as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_no_socket_and_no_listener_are_unreachable(tmp_path: Path) -> None:
    for upstream in (
        Upstream("http://name.example", unix=tmp_path / "none"),
        Upstream(f"http://127.0.0.1:{free_port()}"),
    ):
        async with upstream:
            with pytest.raises(UpstreamUnreachable):
                await get(upstream)
