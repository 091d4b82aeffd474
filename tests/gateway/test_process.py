"""The gateway as a process: how it starts and ends, and that nothing of a request is ever printed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.gateways import BEGUN, PATH, Gateway, Place, get, message, post, token
from support.ports import free_ports
from support.processes import Role, role, start

from tacita import bhttp
from tacita.bhttp import Content, ResponseHead
from tacita.ohttp.keyconfig import decode_list
from tacita.service.run import EXIT_CONFIG

pytestmark = pytest.mark.e2e

CANARY = b"canary8e40"


@asynccontextmanager
async def process(place: Place, **changes: Any) -> AsyncIterator[tuple[Role, Gateway]]:
    """Run a gateway as a process of its own."""
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, **changes)
    async with role("gateway", text, place.folder, admin_port=admin_port) as running:
        _, keys = await Gateway(port, []).raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield running, Gateway(port, decode_list(keys))


async def test_nothing_of_a_request_or_answer_is_ever_printed(place: Place) -> None:
    secret = CANARY.decode()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"broken" in head:
            writer.write(b"HTTP/1.1 200 " + CANARY + b"\r\nX: \x00" + CANARY + b"\r\n\r\n")
        elif b"cut" in head:
            writer.write(BEGUN + b"a\r\n" + CANARY + b"\r\n")
            raise ConnectionAbortedError
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nX-Y: " + CANARY + b"\r\nContent-Length: 10\r\n\r\n" + CANARY)

    place.target.answer = answer
    async with process(place, limits="piece_seconds = 1") as (running, gateway):
        paid = token()
        words = (b"x-name", CANARY), (b"cookie", CANARY), (b"authorization", b"Basic " + CANARY)
        for request in (
            get(paid, *words, path=b"/" + CANARY),
            get(paid, *words, path=b"/" + CANARY),
            get(token(), path=b"/broken"),
            get(token(), path=b"/cut"),
            get((b"authorization", b"PrivateToken " + CANARY)),
            get(token(), authority=CANARY),
            get(token(), (b"expect", CANARY)),
            get(token(), (b"x", CANARY + b"\xff")),
            get(token(), (b"date", CANARY)),
            get(token(), (b"content-length", CANARY)),
            CANARY,
        ):
            await gateway.ask(request)
        for name in (f"/{secret}", f"/?{secret}", f"{PATH}?{secret}"):
            await gateway.raw(f"GET {name} HTTP/1.1\r\nHost: {secret}\r\nX-A: {secret}\r\n\r\n".encode())
        await gateway.post(CANARY)
        await gateway.post(CANARY, f"text/{secret}")
        await gateway.raw(message(CANARY, extra=f"X-{secret}: \x01{secret}\r\n"))
        await gateway.raw(message(CANARY)[:-1])
        async with gateway.stream() as stream:
            stream.send(bhttp.RequestEncoder().head(post(b"", token()).head) + b"\x0a" + CANARY)
            stream.transfer(b"", b"\x20" + CANARY + bytes(22))
            await stream.head()
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(get(token(), path=b"/cut")), last=True)
            await stream.next()
        async with gateway.stream() as stream:
            stream.send(bhttp.RequestEncoder().head(post(b"", token()).head) + b"\x0a" + CANARY)
        _, metrics = await running.admin("/metrics")
        assert await running.stop() == 0
        printed = running.output()
    nonce = paid[1].decode().split('"')[1]
    for word in (secret, nonce[:20], nonce[-20:], "gateway.example", "127.0.0.1"):
        assert word not in printed
        assert word not in metrics
    events = [json.loads(line)["event"] for line in printed.splitlines()]
    assert set(events) <= {
        "chain_begun",
        "epoch_begun",
        "starting",
        "ready",
        "library",
        "draining",
        "stopped",
    }


async def test_on_sigterm_it_is_not_ready_and_an_answer_under_way_ends(place: Place) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN + b"5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"5\r\nother\r\n0\r\n\r\n")

    place.target.answer = answer
    async with process(place, drain=20) as (running, gateway), gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(token())), last=True)
        assert isinstance(await stream.next(), ResponseHead)
        assert await stream.next() == Content(b"first")
        ending = asyncio.create_task(running.stop())
        await running.wait_ready(503)
        go_on.set()
        assert await stream.next() == Content(b"other")
        assert isinstance(await stream.next(), bhttp.End)
        assert await ending == 0
        printed = running.output()
    assert [json.loads(line)["event"] for line in printed.splitlines()][-2:] == ["draining", "stopped"]


async def test_what_does_not_end_in_time_is_cut_and_the_exit_code_is_still_0(place: Place) -> None:
    asked = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN + b"5\r\nfirst\r\n")
        asked.set()
        await reader.read()

    place.target.answer = answer
    async with process(place, drain=0.2) as (running, gateway), gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(token())), last=True)
        await asked.wait()
        assert isinstance(await stream.next(), ResponseHead)
        assert await running.stop() == 0
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await stream.rest()
        assert "internal_error" not in running.output()


async def test_spent_tokens_and_keys_outlive_the_process(place: Place) -> None:
    paid = token()
    async with process(place) as (running, gateway):
        assert (await gateway.ask(get(paid))).head.status == 200
        first = gateway.configs
        running.process.kill()
        await running.process.wait()
    async with process(place) as (_, gateway):
        assert gateway.configs == first
        assert (await gateway.ask(get(paid))).head.status == 401


async def test_a_key_file_that_others_can_read_stops_the_start(place: Place) -> None:
    (place.folder / "keys.json").write_bytes(bytes(32))
    (place.folder / "keys.json").chmod(0o644)
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port)
    started = await start("gateway", text, place.folder, admin_port=admin_port)
    assert await asyncio.wait_for(started.process.wait(), 30) == EXIT_CONFIG
    assert "chmod 600" in started.output()
    assert started.output().count("\n") == 1
