"""The mirror: the same for everybody, refreshed, bounded, and never a cookie."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.raw_http import connection, fields, read_head
from support.relays import Gateway, Relay, relay_running

from relay.config import MirrorLimits
from relay.errors import DocumentUnavailable
from relay.mirror import Mirror
from tacita.net.upstream import Upstream

KEYS = b"\x00\x03\xff\xfe\xfd"
TAG = f'"sha256-{hashlib.sha256(KEYS).hexdigest()}"'


def get(path: str = "/one/keys", method: str = "GET", extra: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: relay.example\r\n{extra}\r\n".encode()


def http(body: bytes, kind: str = "application/ohttp-keys", extra: str = "", status: int = 200) -> bytes:
    head = f"HTTP/1.1 {status} S\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def ask_head(relay: Relay, data: bytes) -> bytes:
    async with connection(relay.port) as (reader, writer):
        writer.write(data)
        return await read_head(reader)


# As a whole


@pytest.mark.parametrize(
    ("document", "kind", "body"),
    [
        ("keys", "application/ohttp-keys", KEYS),
        ("challenge", "application/json", b'{"challenge": "AAAA"}'),
        ("issuer-directory", "application/private-token-issuer-directory", b'{"token-keys": []}'),
    ],
)
async def test_a_document_is_the_same_bytes_for_everybody(
    gateway: Gateway, document: str, kind: str, body: bytes
) -> None:
    chatter = "Cookie: a=b\r\nUser-Agent: x\r\nAccept: */*\r\nAccept-Encoding: br\r\nRange: bytes=0-1\r\n"
    async with relay_running(gateway.config()) as relay:
        plain = await relay.ask(get(f"/one/{document}"))
        other = await relay.ask(get(f"/one/{document}?me=7", extra=chatter))
    named = fields(plain[0])
    assert plain[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert plain[1] == other[1] == body
    digest = hashlib.sha256(body)
    assert named.pop("date")
    age = named.pop("cache-control").removeprefix("public, max-age=").removesuffix(", no-transform")
    assert 590 < int(age) <= 600
    assert named == {
        "content-type": kind,
        "content-length": str(len(body)),
        "etag": f'"sha256-{digest.hexdigest()}"',
        "content-digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
    }
    assert set(fields(other[0])) == set(fields(plain[0]))


async def test_the_origin_sees_these_bytes_whoever_asks(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        before = sorted(gateway.gets)
        for _ in range(5):
            await relay.ask(get(extra="Cache-Control: no-cache\r\nPragma: no-cache\r\n"))
    assert sorted(gateway.gets) == before, "clients cause no fetch"
    host = b"Host: 127.0.0.1:%d\r\n" % gateway.port
    assert before == [
        b"GET /challenge HTTP/1.1\r\n" + host + b"Accept: application/json\r\n\r\n",
        b"GET /directory HTTP/1.1\r\n" + host + b"Accept: application/private-token-issuer-directory\r\n\r\n",
        b"GET /message HTTP/1.1\r\n" + host + b"Accept: application/ohttp-keys\r\n\r\n",
    ]


@pytest.mark.parametrize("tags", [TAG, f"W/{TAG}", f'"x", {TAG}', "*"])
async def test_a_known_tag_is_answered_with_304(gateway: Gateway, tags: str) -> None:
    async with relay_running(gateway.config()) as relay:
        head = await ask_head(relay, get(extra=f"If-None-Match: {tags}\r\n"))
    assert head.startswith(b"HTTP/1.1 304 ")
    assert fields(head)["etag"] == TAG
    assert set(fields(head)) == {"etag", "cache-control", "date"}


@pytest.mark.parametrize("tags", ['"x"', TAG[1:-1], '"', "\x7f"])
async def test_another_tag_is_answered_with_the_document(gateway: Gateway, tags: str) -> None:
    async with relay_running(gateway.config()) as relay:
        head, _ = await relay.ask(get(extra=f"If-None-Match: {tags}\r\n"))
    assert head.split(b" ")[1] in {b"200", b"400"}, "400: the HTTP parser knows no such field value"


async def test_head_is_get_without_content(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(get(method="HEAD", extra="Connection: close\r\n"))
        head = await read_head(reader)
        assert await reader.read() == b""
    named = fields(head)
    assert (named["content-length"], named["etag"]) == ("5", TAG)
    assert named["content-type"] == "application/ohttp-keys"


async def test_other_methods_are_405(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        head = await ask_head(relay, get(method="DELETE"))
    assert head.startswith(b"HTTP/1.1 405 ")
    assert fields(head)["allow"] == "GET,HEAD"


async def test_without_a_copy_it_is_503_and_the_relay_is_not_ready(gateway: Gateway) -> None:
    gateway.documents["/challenge"] = http(b"<html>", "text/html")
    async with relay_running(gateway.config(), wait=False) as relay:
        head, _ = await relay.ask(get("/one/challenge"))
        assert head.startswith(b"HTTP/1.1 503 ")
        assert "one/challenge" in relay.service.readiness.missing
        # Tried again until it is there.
        gateway.documents["/challenge"] = http(b"{}", "application/json")
        while not head.startswith(b"HTTP/1.1 200 "):
            head, _ = await relay.ask(get("/one/challenge"))
        while relay.service.readiness.missing:
            await ask_head(relay, get())
        assert relay.service.readiness.ready


async def test_a_new_document_takes_the_place_of_the_old(gateway: Gateway) -> None:
    limits = MirrorLimits(refresh_min_seconds=0.01, refresh_max_seconds=0.05)
    async with relay_running(gateway.config(mirror=limits)) as relay:
        _, body = await relay.ask(get())
        assert body == KEYS
        new = b"\x00\x03new"
        gateway.documents["/message"] = http(new)
        while body != new:
            head, body = await relay.ask(get())
        assert fields(head)["etag"] == f'"sha256-{hashlib.sha256(new).hexdigest()}"'


# One mirror under a clock of our own


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A mirror of /message with all that it reports."""

    def __init__(self, upstream: Upstream, limits: MirrorLimits) -> None:
        self.clock = Clock()
        self.counts: list[str] = []
        self.reports: list[str] = []
        self.mirror = Mirror(
            upstream,
            "/message",
            "application/ohttp-keys",
            limits,
            count=self.counts.append,
            report=self.reports.append,
            clock=self.clock,
        )

    async def max_age(self) -> int:
        from aiohttp.test_utils import make_mocked_request  # Only a request's head, nothing of it is faked.

        response = await self.mirror.handle(make_mocked_request("GET", "/one/keys"))
        assert response.status == 200
        return int(
            response.headers["Cache-Control"].removeprefix("public, max-age=").removesuffix(", no-transform")
        )


@asynccontextmanager
async def bench(gateway: Gateway, limits: MirrorLimits | None = None) -> AsyncIterator[Bench]:
    async with Upstream(f"http://127.0.0.1:{gateway.port}", read_seconds=5) as upstream:
        yield Bench(upstream, limits or MirrorLimits())


@pytest.mark.parametrize(
    ("control", "delay"),
    [("max-age=200", 100.0), ("max-age=1", 5.0), ("", 5.0), ("max-age=86400", 300.0), ("no-store", 5.0)],
)
async def test_the_schedule_follows_max_age(gateway: Gateway, control: str, delay: float) -> None:
    gateway.documents["/message"] = http(KEYS, extra=f"Cache-Control: {control}\r\n")
    async with bench(gateway) as one:
        assert await one.mirror.refresh() == delay


async def test_max_age_counts_down_and_never_outlives_the_origin(gateway: Gateway) -> None:
    gateway.documents["/message"] = http(KEYS, extra="Cache-Control: max-age=60\r\nAge: 10\r\n")
    async with bench(gateway) as one:
        await one.mirror.refresh()
        assert await one.max_age() == 50
        one.clock.now += 20.5
        assert await one.max_age() == 29
        one.clock.now += 1000
        assert await one.max_age() == 0


async def test_the_last_good_copy_is_served_for_a_bounded_time(gateway: Gateway) -> None:
    async with bench(gateway, MirrorLimits(stale_seconds=3600)) as one:
        await one.mirror.refresh()
        gateway.documents["/message"] = http(b"down", status=503)
        one.clock.now += 3600
        assert await one.mirror.refresh() == pytest.approx(0.1)
        assert await one.mirror.refresh() == pytest.approx(0.2)
        assert await one.max_age() == 0
        one.clock.now += 0.1
        with pytest.raises(DocumentUnavailable):
            await one.max_age()
        gateway.documents["/message"] = http(b"up")
        await one.mirror.refresh()
        await one.max_age()
        assert one.counts == ["fetched", "status", "status", "fetched"]
        assert one.reports == ["fetched", "status", "fetched"]


async def test_retries_slow_down_to_the_shortest_refresh(gateway: Gateway) -> None:
    gateway.documents["/message"] = http(b"down", status=503)
    async with bench(gateway) as one:
        delays = [await one.mirror.refresh() for _ in range(20)]
    assert delays == sorted(delays)
    assert delays[-1] == 5.0


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (http(KEYS, status=404), "status"),
        (http(KEYS, status=206), "status"),
        (b"HTTP/1.1 302 Found\r\nLocation: /challenge\r\nContent-Length: 0\r\n\r\n", "status"),
        (http(KEYS, "text/html"), "media_type"),
        (http(KEYS, "application/ohttp-keys", "Content-Encoding: gzip\r\n"), "content_coding"),
        (http(b""), "length"),
        (http(bytes(100)), "fetched"),
        (http(bytes(101)), "length"),
        (http(KEYS, "Application/OHTTP-Keys; a=b"), "fetched"),
        (b"SSH-2.0-x\r\n\r\n", "lost"),
    ],
)
async def test_only_a_good_copy_is_taken(gateway: Gateway, answer: bytes, result: str) -> None:
    gateway.documents["/message"] = answer
    async with bench(gateway, MirrorLimits(document_bytes=100)) as one:
        await one.mirror.refresh()
    assert one.counts == [result]


async def test_a_cut_copy_is_not_taken(gateway: Gateway) -> None:
    gateway.documents["/message"] = http(KEYS)[:-1]
    async with bench(gateway, MirrorLimits(fetch_seconds=0.2)) as one:
        await one.mirror.refresh()
        assert one.counts == ["timeout"]
        with pytest.raises(DocumentUnavailable):
            await one.max_age()
