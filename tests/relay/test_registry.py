"""Gateways that come, go and change while the relay runs, and the consent that each of them has to give."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.raw_http import connection, fields, read_body, read_head
from support.relays import ANSWER, Gateway, Relay, gateway_running, relay_of, relay_running, request

from relay.config import GatewayTls, Limits, MirrorLimits
from tacita.errors import ConfigError

QUICK = MirrorLimits(refresh_min_seconds=0.02, refresh_max_seconds=0.05, fetch_seconds=1.0)

GONE = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"

BIP77 = "BIP77 454403bb-9f7b-4385-b31f-acd2dae20b7e"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: relay.example\r\n\r\n".encode()


async def status(relay: Relay, data: bytes) -> int:
    return int((await relay.ask(data))[0].split(b" ")[1])


async def becomes(relay: Relay, data: bytes, wanted: int) -> None:
    while await status(relay, data) != wanted:  # noqa: ASYNC110 - as a client would
        await asyncio.sleep(0.01)


def answering(gateway: Gateway, body: bytes) -> None:
    """Have `gateway` answer with `body`."""

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(ANSWER.replace(b"Length: 6", b"Length: %d" % len(body)).replace(b"answer", body))

    gateway.answer = answer


# Consent


@pytest.mark.parametrize(
    "keys",
    [
        GONE,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n\x00\x03abc",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/ohttp-keys\r\nContent-Length: 6\r\n\r\n<html>",
    ],
)
async def test_nothing_is_forwarded_before_the_gateway_has_shown_keys(gateway: Gateway, keys: bytes) -> None:
    good, gateway.documents["/message"] = gateway.documents["/message"], keys
    async with relay_running(gateway.config(mirror=QUICK), wait=False) as relay:
        head, body = await relay.ask(request())
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"opted in" in body
        assert relay.counted("not_opted_in") == 1
        assert not gateway.heads
        gateway.documents["/message"] = good
        await becomes(relay, request(), 200)
        # Once is enough: a gateway that is away for a while has not changed its mind.
        gateway.documents["/message"] = GONE
        await asyncio.sleep(0.1)
        assert await status(relay, request()) == 200


async def test_a_purpose_has_to_be_allowed_where_the_operator_asks_for_one(gateway: Gateway) -> None:
    path = "/message?allowed_purposes"
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ohttp-allowed-purposes\r\nContent-Length: "
    gateway.documents[path] = f"{head}8\r\n\r\n\0\1\5other".encode()
    config = gateway.config(mirror=QUICK, allowed_purposes=("mine", BIP77))
    async with relay_running(config, wait=False) as relay:
        while not any(asked.startswith(f"GET {path} ".encode()) for asked in gateway.gets):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert await status(relay, request()) == 503
        gateway.documents[path] = f"{head}{3 + len(BIP77)}\r\n\r\n\0\1\x2a{BIP77}".encode()
        await becomes(relay, request(), 200)
        while not relay.service.readiness.ready:  # noqa: ASYNC110 - as the shell waits
            await asyncio.sleep(0.01)


async def test_nobody_is_asked_for_purposes_otherwise(gateway: Gateway) -> None:
    async with relay_running(gateway.config()):
        assert not [asked for asked in gateway.gets if b"purposes" in asked]


# Changes


async def test_a_gateway_comes_and_goes(gateway: Gateway) -> None:
    async with gateway_running() as second, relay_running(gateway.config()) as relay:
        answering(second, b"second")
        assert await status(relay, request(path="/two")) == 404
        await relay.take(relay_of(gateway.table(), second.table("two", mirror=QUICK)))
        await becomes(relay, request(path="/two"), 200)
        assert (await relay.ask(request(path="/two")))[1] == b"second"
        await becomes(relay, get("/two/challenge"), 200)
        assert await status(relay, get("/two")) == 405
        await relay.take(relay_of(gateway.table()))
        for data in (
            request(path="/two"),
            *map(get, ("/two", "/two/keys", "/two/challenge", "/two/fingerprints")),
        ):
            assert await status(relay, data) == 404
        assert await status(relay, request()) == 200


async def test_a_kept_connection_does_not_outlive_its_gateway(gateway: Gateway) -> None:
    async with gateway_running() as second, relay_running(gateway.config()) as relay:
        answering(second, b"second")
        async with connection(relay.port) as (reader, writer):

            async def ask() -> tuple[bytes, bytes]:
                writer.write(request())
                head = await read_head(reader)
                return head, await read_body(reader, head)

            assert (await ask())[1] == (await ask())[1] == b"answer"
            await relay.take(relay_of(second.table("two")))
            assert (await ask())[0].startswith(b"HTTP/1.1 404 ")
            # And what comes in its place is found, whatever the connection remembers.
            await relay.take(relay_of(second.table(mirror=QUICK)))
            while (answer := await ask())[0].startswith(b"HTTP/1.1 503 "):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert answer[1] == b"second"


async def test_requests_under_way_end_where_they_began(gateway: Gateway) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        arrived.set()
        await go_on.wait()
        writer.write(ANSWER)

    gateway.answer = answer
    async with gateway_running() as second, relay_running(gateway.config()) as relay:
        answering(second, b"second")
        under_way = asyncio.create_task(relay.ask(request()))
        await arrived.wait()
        await relay.take(relay_of(second.table("two")))
        assert await status(relay, request()) == 404
        await asyncio.sleep(0.5)
        go_on.set()
        assert (await under_way)[1] == b"answer"


async def test_a_new_url_takes_over_when_it_has_opted_in_and_not_before(gateway: Gateway) -> None:
    async with gateway_running() as second, relay_running(gateway.config()) as relay:
        answering(second, b"second")
        keys, second.documents["/message"] = second.documents["/message"], GONE
        await relay.take(second.config(mirror=QUICK))
        for _ in range(5):
            assert (await relay.ask(request()))[1] == b"answer"
            await asyncio.sleep(0.02)
        second.documents["/message"] = keys.replace(b"\xff\xfe\xfd", b"new")
        while (await relay.ask(request()))[1] != b"second":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # Messages and documents change hands together.
        assert (await relay.ask(get("/one/keys")))[1] == b"\x00\x03new"


async def test_limits_change_at_once_even_while_the_origin_is_away() -> None:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_running())
        async with relay_running(gateway.config()) as relay:
            await stack.aclose()
            await relay.take(gateway.config(Limits(request_bytes=5)))
            assert await status(relay, request(b"sealed")) == 413
            assert await status(relay, get("/one/keys")) == 200


async def test_a_change_that_is_taken_back_was_none(gateway: Gateway) -> None:
    async with gateway_running() as second, relay_running(gateway.config()) as relay:
        second.documents["/message"] = GONE
        await relay.take(second.config(mirror=QUICK))
        await relay.take(gateway.config())
        second.documents = gateway.documents
        answering(second, b"second")
        await asyncio.sleep(0.2)
        assert (await relay.ask(request()))[1] == b"answer"
        fetched = len(second.gets)
        await asyncio.sleep(0.2)
        assert len(second.gets) == fetched, "what was given up is not asked any more"


async def test_what_has_not_changed_is_left_alone(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        before = len(gateway.gets)
        await relay.take(gateway.config())
        await asyncio.sleep(0.1)
        assert len(gateway.gets) == before


async def test_mirror_only_can_be_switched(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await relay.take(gateway.config(mirror_only=True))
        assert await status(relay, request()) == 404
        assert await status(relay, get("/one/keys")) == 200
        await relay.take(gateway.config())
        assert await status(relay, request()) == 200


async def test_a_configuration_with_a_missing_file_changes_nothing(gateway: Gateway, tmp_path: Path) -> None:
    async with relay_running(gateway.config()) as relay:
        wrong = gateway.table(bearer=tmp_path / "none")
        with pytest.raises(ConfigError, match="none"):
            await relay.take(relay_of(gateway.table("two"), wrong))
        assert await status(relay, request()) == 200
        assert await status(relay, request(path="/two")) == 404
        wrong = gateway.table(origin="https://127.0.0.1:1", tls=GatewayTls(authority=tmp_path / "none"))
        with pytest.raises(ConfigError, match="none"):
            await relay.take(relay_of(wrong))
        assert await status(relay, request()) == 200


async def test_a_gateway_that_is_away_at_the_start_does_not_keep_the_others(gateway: Gateway) -> None:
    away = gateway.table("away", origin="http://127.0.0.1:1", mirror=QUICK)
    async with relay_running(relay_of(away, gateway.table())) as relay:
        assert relay.service.readiness.ready
        assert await status(relay, request()) == 200
        assert await status(relay, request(path="/away")) == 503
        head, _ = await relay.ask(get("/away/keys"))
        assert head.startswith(b"HTTP/1.1 503 ")
        assert fields(head)["content-type"] == "application/problem+json"
