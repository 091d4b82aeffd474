"""The instruments, against things that are known."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bench import cpu
from bench.answers import Kept
from bench.figure import Panel, Series, figure
from bench.filling import fill, info
from bench.load import drive, http_request
from bench.openloop import latencies
from bench.redis import redis
from bench.targets import fixed_server, ticking_server
from gateway.stores.redis import RedisStore
from tacita.privacypass.spent import TokenSpent

_ANSWERS = {b"": ("text/plain", b"answer")}


def test_cpu_time_is_that_of_the_process_and_its_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert cpu.seconds(child.pid) >= 0.3
        assert cpu.resident(child.pid) > 1
        child.communicate(b"\n")


async def test_every_request_of_a_closed_loop_is_answered() -> None:
    async with fixed_server(_ANSWERS) as port:
        await drive(port, [http_request("/", b"x")] * 100, 8)
        with pytest.raises(RuntimeError, match="200"):
            await drive(port, [http_request("/", b"x")], 1, wanted=404)


async def test_an_open_loop_counts_from_the_set_time() -> None:
    async with ticking_server({}, "text/plain", piece=b"x", pieces=1, seconds=0.0, first=0.2) as port:
        # 64 connections take 200 ms each: of 128 requests at once, the second half waits for the first.
        found = sorted(await latencies(port, http_request("/", b"x"), 12_800.0, 0.01, connections=64))
    assert len(found) == 128
    assert found[0] >= 0.19
    assert found[-1] >= 0.38


async def test_first_content_is_told_apart_from_the_whole_answer() -> None:
    async with ticking_server({}, "text/plain", piece=b"x", pieces=3, seconds=0.05, first=0.05) as port:
        link = await Kept.open(port)
        for _ in range(2):
            begun = time.perf_counter()
            at = await link.first(http_request("/", b"x"), bool)
            assert at - begun >= 0.04
        link.close()


async def test_what_is_filled_in_is_spent_for_the_store(tmp_path: Path) -> None:
    key = b"k" * 32
    async with redis(tmp_path) as address:
        path = address.removeprefix("unix://")
        fill(path, key, 2_560)
        assert info(path, "keyspace")["db0"].startswith("keys=256,expires=256")
        store = await RedisStore.open(address)
        try:
            async with Redis(unix_socket_path=path) as client:
                (nonce, *_) = await client.hkeys("spent:{" + key.hex() + ":07}")  # type: ignore[misc]
            with pytest.raises(TokenSpent):
                await store.reserve(key, nonce, expires=int(time.time()) + 60)
        finally:
            await store.close()


def test_a_figure_has_all_panels_and_series() -> None:
    svg = figure("F", "days", [Panel("A & B", [Series("s<1>", [(0.0, 1.0), (1.0, 2.0)])]), Panel("C", [])])
    assert "A &amp; B" in svg
    assert "s&lt;1&gt;" in svg
    assert svg.count("<polyline") == 1
