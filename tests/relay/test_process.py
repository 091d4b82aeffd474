"""The relay as a process: what it loads, how it ends, and what it says."""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from support.ports import free_port, free_ports
from support.processes import role, start
from support.raw_http import connection, read_body, read_chunk, read_head
from support.relays import Gateway, request

DRIVER = str(Path(__file__).with_name("driver.py"))

FORBIDDEN = ("tacita.crypto", "tacita.ohttp", "tacita.bhttp", "tacita.privacypass", "cryptography")


def config(gateway: Gateway, port: int, admin_port: int, drain_seconds: float = 20.0) -> str:
    return f"""
drain_seconds = {drain_seconds}
drain_notice_seconds = 0.2
[listen]
port = {port}
[admin]
port = {admin_port}
[[gateways]]
name = "one"
url = "http://127.0.0.1:{gateway.port}/message"
challenge_url = "http://127.0.0.1:{gateway.port}/challenge"
issuer_directory_url = "http://127.0.0.1:{gateway.port}/directory"
"""


async def refuses(port: int) -> None:
    """Wait until nothing listens on `port`."""
    with suppress(ConnectionRefusedError):
        while True:
            async with connection(port):
                await asyncio.sleep(0.02)


async def ask(port: int, data: bytes) -> bytes:
    async with connection(port) as (reader, writer):
        writer.write(data)
        head = await read_head(reader)
        return head + await read_body(reader, head)


async def test_a_relay_that_has_served_has_loaded_nothing_to_decrypt_with(
    gateway: Gateway, tmp_path: Path
) -> None:
    # The twin of the import contract: it also sees what packages import by themselves, and late imports.
    port, admin = free_ports(2)
    text = config(gateway, port, admin)
    async with role("relay", text, tmp_path, admin_port=admin, command=[DRIVER]) as relay:
        assert (await ask(port, request())).endswith(b"answer")
        assert b" 415 " in await ask(port, request(kind="text/plain"))
        for document in ("keys", "challenge", "issuer-directory"):
            assert b" 200 " in await ask(port, b"GET /one/%b HTTP/1.1\r\nHost: r\r\n\r\n" % document.encode())
        assert (await relay.admin("/metrics"))[0] == 200
        assert await relay.stop() == 0
    loaded = json.loads(relay.output().splitlines()[0])
    assert "relay.forward" in loaded
    assert not [name for name in loaded if name.startswith(FORBIDDEN)]


async def test_sigterm_readiness_first_then_the_stream_ends_then_exit_0(
    gateway: Gateway, tmp_path: Path
) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n"
        )
        await go_on.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")

    gateway.answer = answer
    port, admin = free_ports(2)
    async with (
        role("relay", config(gateway, port, admin), tmp_path, admin_port=admin) as relay,
        connection(port) as (reader, writer),
    ):
        writer.write(request())
        await read_head(reader)
        assert await read_chunk(reader) == b"first"
        relay.process.send_signal(signal.SIGTERM)
        await relay.wait_ready(503)
        assert "stopping" in (await relay.admin("/readyz"))[1]
        assert relay.process.returncode is None
        go_on.set()
        assert [await read_chunk(reader), await read_chunk(reader)] == [b"last", b""]
        assert await asyncio.wait_for(relay.process.wait(), 20) == 0
    assert '"event":"stopped"' in relay.output()


async def test_sigterm_ends_within_the_bound_with_a_stream_that_does_not(
    gateway: Gateway, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    gateway.answer = answer
    port, admin = free_ports(2)
    text = config(gateway, port, admin, drain_seconds=0.5)
    async with role("relay", text, tmp_path, admin_port=admin) as relay, connection(port) as (reader, writer):
        writer.write(request())
        await arrived.wait()
        assert await relay.stop() == 0
        assert await reader.read() == b""


async def test_nothing_of_a_client_is_logged_or_measured(gateway: Gateway, tmp_path: Path) -> None:
    canary = "canary-5f1d"
    port, admin = free_ports(2)

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(f"HTTP/1.1 {canary}\r\n{canary}\r\n\r\n".encode())
        raise ConnectionAbortedError

    gateway.answer = answer
    async with role("relay", config(gateway, port, admin), tmp_path, admin_port=admin) as relay:
        extra = f"X-Id: {canary}\r\nCookie: {canary}\r\n"
        for data in (
            request(canary.encode(), extra=extra),
            request(canary.encode(), canary, extra),
            request(canary.encode(), extra=extra, path=f"/{canary}"),
            f"GET /one/keys?{canary} HTTP/1.1\r\nHost: {canary}\r\nIf-None-Match: {canary}\r\n\r\n".encode(),
            f"{canary} / HTTP/1.1\r\n\r\n".encode(),
            f"GET /{canary} HTTP/{canary}\r\n\r\n".encode(),
            f"POST /one HTTP/1.1\r\nContent-Length: {canary}\r\n\r\n".encode(),
        ):
            await ask(port, data)
        _, metrics = await relay.admin("/metrics")
        assert await relay.stop() == 0
    said = relay.output() + metrics
    assert canary not in said
    assert "127.0.0.1" not in said
    labels = {
        line.partition("{")[2].partition("=")[0]
        for line in metrics.splitlines()
        if line.startswith("tacita_relay_") and "{" in line
    }
    assert labels == {"result", "le"}


async def test_a_wrong_configuration_is_exit_code_78(gateway: Gateway, tmp_path: Path) -> None:
    relay = await start("relay", "surprise = 1\n", tmp_path, admin_port=free_port())
    assert await asyncio.wait_for(relay.process.wait(), 20) == 78
    assert "surprise" in relay.output() or "listen" in relay.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_before_it_is_ready_stops_it(gateway: Gateway, tmp_path: Path, number: int) -> None:
    gateway.documents["/challenge"] = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    port, admin = free_ports(2)
    relay = await start("relay", config(gateway, port, admin), tmp_path, admin_port=admin)
    try:
        await relay.wait_ready(503)
        assert (await relay.admin("/livez"))[0] == 200
        assert await relay.stop(number) == 0
    finally:
        if relay.process.returncode is None:
            relay.process.kill()


async def test_sigterm_lets_a_request_that_is_still_coming_in_arrive(
    gateway: Gateway, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        gateway.bodies.append(await read_body(reader, head))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nContent-Length: 6\r\n\r\nanswer"
        )

    gateway.answer = answer
    port, admin = free_ports(2)
    async with (
        role("relay", config(gateway, port, admin), tmp_path, admin_port=admin) as relay,
        connection(port) as (reader, writer),
    ):
        writer.write(request(b"sealed", "message/ohttp-chunked-req")[:-3])
        await arrived.wait()
        relay.process.send_signal(signal.SIGTERM)
        await refuses(port)
        writer.write(b"led")
        head = await read_head(reader)
        assert await read_body(reader, head) == b"answer"
        assert b"\r\nConnection: close\r\n" in head
        assert gateway.bodies == [b"sealed"]
        assert await asyncio.wait_for(relay.process.wait(), 20) == 0
