"""`make soak`, second part: a million requests through a gateway whose keys turn over every minute.

    python -m bench.soak_gateway [--short] [--requests N] [--period SECONDS] [--growth MB]

Requests are sealed by other processes, batch by batch, as a client does that has just fetched the key
configurations: three batches of four for the key in force, the fourth for the next one, which is taken
from when it is published; every eighth in chunks; one request in ten pays with a token. No valid request
may be refused, outside or inside: the gateway's own counters have to say so, and one more request behind
each batch is opened. Memory and descriptors of the gateway are sampled after each hundredth and may grow,
from the first tenth, in which caches fill, to the end, by no more than `--growth`, and 16.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import re
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from bench import cpu, sealing
from bench.gateway import PATH
from bench.load import drive
from bench.server import started
from bench.targets import fixed_server
from tacita.bhttp import Request, RequestHead, decode_response, encode_request
from tacita.cli.deployment import to_toml
from tacita.cli.ports import free_ports
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.ohttp import KeyConfig, keyconfig, media, oneshot
from tacita.privacypass import directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa

__all__ = ["main"]

_BATCH = 500
_AHEAD = 4
_MARGIN = 2.0
"""Seconds that a batch may take on its way: where less is left of its key's grace, another one is made."""
_CONNECTIONS = 32
_PAID = 10
_CHUNKED = 8
_NEXT_KEY = 4
_DESCRIPTORS = 16
_MIB = 1 << 20
_ANSWER = {b"": ("application/json", b'{"answer": "' + b"x" * 380 + b'"}')}
_COUNTERS = re.compile(
    r"tacita_gateway_(answers|refused_outside|undecryptable|tokens)_total\{.*\"(.*)\"\} (.*)"
)


def main() -> int:
    """Run the soak; return 0, or 1 when a request was refused or the process has grown too much."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak_gateway",
        description="Many requests through one gateway, over many turns of its keys, its memory watched.",
    )
    parser.add_argument("--short", action="store_true", help="50,000 requests, and a period of 10 seconds")
    parser.add_argument("--requests", type=int, help="how many (default: 1,000,000)")
    parser.add_argument("--period", type=int, help="seconds from one key to the next (default: 60)")
    parser.add_argument(
        "--growth", type=float, default=8.0, metavar="MB", help="bound on the growth of memory (default: 8)"
    )
    options = parser.parse_args()
    requests = options.requests or (50_000 if options.short else 1_000_000)
    period = options.period or (10 if options.short else 60)
    return uvloop.run(_run(-(-requests // _BATCH), period, options.growth))


@dataclass(frozen=True, slots=True)
class _Gateway:
    """A running gateway, and what requests for it are made of."""

    pid: int
    port: int
    admin: int
    open_to: bytes
    paid_at: bytes
    challenge: bytes
    key: bytes
    session: aiohttp.ClientSession

    async def configs(self) -> tuple[KeyConfig, ...]:
        """Fetch the key configurations: the key in force, then the next one."""
        async with self.session.get(f"http://127.0.0.1:{self.port}{PATH}") as response:
            return keyconfig.decode_list(await response.read())

    async def counted(self) -> dict[tuple[str, str], int]:
        """Return the gateway's counters of answers, refusals and tokens, by name and label."""
        async with self.session.get(f"http://127.0.0.1:{self.admin}/metrics") as response:
            shown = await response.text()
        found = [match for line in shown.splitlines() if (match := _COUNTERS.fullmatch(line))]
        return {(match[1], match[2]): int(float(match[3])) for match in found}

    async def asked(self, config: KeyConfig) -> int:
        """Ask once; return the status inside."""
        head = RequestHead(b"GET", b"http", self.open_to, b"/")
        sealed, context = oneshot.encapsulate_request(config, encode_request(Request(head)))
        headers = {"Content-Type": media.REQUEST}
        url = f"http://127.0.0.1:{self.port}{PATH}"
        async with self.session.post(url, data=sealed, headers=headers) as response:
            if response.status != 200:
                return response.status
            return decode_response(context.decapsulate_response(await response.read())).head.status

    def batch(self, number: int, config: KeyConfig) -> sealing.Batch:
        """Return what the batch with this number is made of."""
        return sealing.Batch(
            config=config.encode(),
            count=_BATCH,
            paid=_BATCH // _PAID,
            chunked=number % _CHUNKED == _CHUNKED - 1,
            open_to=self.open_to,
            paid_at=self.paid_at,
            challenge=self.challenge,
            key=self.key,
        )


@dataclass
class _Watch:
    """Memory in MB and open descriptors of the gateway after each hundredth of `batches`."""

    batches: int
    pid: int
    memory: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def after(self, done: int) -> None:
        while len(self.memory) < done * 100 // self.batches:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            self.memory.append(pages * 4096 / _MIB)
            self.descriptors.append(sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()))


async def _run(batches: int, period: int, bound: float) -> int:
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="tacita-soak-") as folder,
        ProcessPoolExecutor(2, mp_context=context) as pool,
    ):
        async with _gateway(Path(folder), period) as running:
            watch, keys = _Watch(batches, running.pid), set[int]()
            begin, spent, sampled, done = time.perf_counter(), cpu.seconds(running.pid), 0, 0
            async for made in _batches(running, pool, period):
                keys.add(made.config.key_id)
                await drive(running.port, made.requests, _CONNECTIONS)
                if (status := await running.asked(made.config)) != 200:
                    raise RuntimeError(f"a valid request was answered with {status}")
                sampled += 1
                watch.after(done := done + 1)
                if done == batches:
                    break
            passed, spent = time.perf_counter() - begin, cpu.seconds(running.pid) - spent
            counted = await running.counted()
    total = batches * _BATCH + sampled
    print(f"{total:,} requests in {passed:.0f} s, {spent / total * 1e6:.0f} µs CPU each; {sampled:,} opened")
    print(f"{batches * (_BATCH // _PAID):,} with a token; sealed for {len(keys)} keys, of {period} s each")
    return 0 if _judged(counted, total, batches) & _grown(watch, bound) else 1


@dataclass(frozen=True, slots=True)
class _Made:
    """A batch of requests, and the key that they are sealed for."""

    requests: list[bytes]
    config: KeyConfig


async def _batches(running: _Gateway, pool: ProcessPoolExecutor, period: int) -> AsyncIterator[_Made]:
    """Give batches that are good to be sent, while the next ones are made."""
    ahead: deque[tuple[asyncio.Future[list[bytes]], KeyConfig, float]] = deque()
    loop = asyncio.get_running_loop()
    for number in itertools.count():
        epoch = int(time.time()) // period
        present, following = await running.configs()
        use_next = number % _NEXT_KEY == _NEXT_KEY - 1
        config = following if use_next else present
        making = loop.run_in_executor(pool, sealing.seal, running.batch(number, config))
        # If a boundary came in between, the key lives longer than this.
        ahead.append((making, config, (epoch + 1 + use_next) * period + _grace(period)))
        if number >= _AHEAD:
            making, config, until = ahead.popleft()
            requests = await making
            # A client that is late fetches the keys anew; here that is another batch.
            if time.time() + _MARGIN < until:
                yield _Made(requests, config)


def _grace(period: int) -> int:
    return period - 1 if period < 60 else period // 2


def _judged(counted: dict[tuple[str, str], int], total: int, batches: int) -> bool:
    """Print what the gateway says it did with `total` requests, and say whether it refused none."""
    others = {place: count for place, count in counted.items() if count and place not in _GOOD}
    answered, committed = (counted[place] for place in (("answers", "2xx"), ("tokens", "committed")))
    print(
        f"answered by the target: {answered:,}, tokens spent: {committed:,}, everything else: {others or 0}"
    )
    return (answered, committed, others) == (total, batches * (_BATCH // _PAID), {})


_GOOD = (("answers", "2xx"), ("tokens", "committed"), ("tokens", "reserved"))


def _grown(watch: _Watch, bound: float) -> bool:
    """Print memory and descriptors, and say whether they have stayed where they may be."""
    tenth, end = watch.memory[9], watch.memory[99]
    print(
        f"memory of the gateway: {tenth:.1f} MB at 10 %, {end:.1f} at 100 %, "
        f"{max(watch.memory[9:]):.1f} at most"
    )
    print(f"growth: {end - tenth:+.1f} MB, at most {bound:.1f} allowed")
    first, last = watch.descriptors[9], watch.descriptors[99]
    print(f"descriptors: {first} at 10 %, {last} at 100 %, {max(watch.descriptors[9:])} at most")
    return end - tenth <= bound and max(watch.descriptors[9:]) - first <= _DESCRIPTORS


@asynccontextmanager
async def _gateway(folder: Path, period: int) -> AsyncIterator[_Gateway]:
    key = RsaPrivateKey.generate()
    listed = IssuerDirectory(
        "/token-request", (TokenKey(blind_rsa.TOKEN_TYPE, key.public_key.spki, int(time.time()) - 60),)
    )
    issuer = {b"": (directory.MEDIA_TYPE, listed.to_json())}
    port, admin = free_ports(2)
    async with (
        fixed_server(_ANSWER) as target,
        fixed_server(issuer) as mirror,
        aiohttp.ClientSession() as session,
    ):
        paid_at, open_to = f"127.0.0.1:{target}", f"localhost:{target}"
        challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", (paid_at,))
        table = {
            "authority": paid_at,
            "listen": {"port": port},
            "admin": {"port": admin},
            "keys": {"state": "chain.key", "period_seconds": period, "grace_seconds": _grace(period)},
            "issuers": [{"name": "issuer.example", "directory": f"http://127.0.0.1:{mirror}/directory"}],
            "store": {"sqlite": "spent.sqlite"},
            # Each is remembered for about an hour, whatever the period.
            "replay": {"requests_per_second": 10_000},
            "targets": [
                {"origin": f"http://{paid_at}", "private": True},
                {"origin": f"http://{open_to}", "url": f"http://{paid_at}", "token": False},
            ],
        }
        (folder / "gateway.toml").write_text(to_toml(table))
        arguments = ["-m", "gateway", "--config", str(folder / "gateway.toml")]
        async with started(arguments, f"http://127.0.0.1:{admin}/readyz") as pid:
            yield _Gateway(
                pid,
                port,
                admin,
                open_to.encode(),
                paid_at.encode(),
                challenge.encode(),
                key.to_pem(),
                session,
            )


if __name__ == "__main__":
    sys.exit(main())
