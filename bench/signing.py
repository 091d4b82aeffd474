"""Signatures a second of the issuer, through HTTP, beside its bare engine and `openssl speed rsa2048`.

Rates are per second of CPU time, which is what `openssl speed` reports, too, so that neighbours on
the machine disturb neither. How two processes compare with one is a matter of real time, which
neighbours do disturb; beside it stands how much each slows the other down by CPU time.
"""

import asyncio
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from bench import cpu
from bench.issuer import BATCH, Issuer, issuer, make_folder
from bench.load import drive
from tacita.crypto.engines.survey import ENGINES, measure
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import SigningUnavailable

__all__ = ["report"]

_CONNECTIONS = 8
_MEASURED = ("crypto_mb", "libcrypto")
_GOALS = {"crypto_mb": 2.5, "libcrypto": 0.9}
_BARE_GOAL = 0.9
_TWO_GOAL = 1.8


async def report(*, short: bool) -> None:
    """Measure and print every row."""
    rounds, seconds, batches = (2, 1, 25) if short else (5, 3, 150)
    print(f"\n{'':40}  signatures/s  of openssl  of bare engine   (one core, batches of {BATCH})")
    speeds = [await _openssl(seconds)]
    print(f"{'openssl speed rsa2048':40}  {speeds[0]:12,.0f}", flush=True)
    for name in _MEASURED:
        try:
            ENGINES[name](RsaPrivateKey.generate())
        except SigningUnavailable as reason:
            print(f"{f'issuer, {name}':40}  not on this machine: {reason}", flush=True)
            continue
        await _engine(name, rounds, seconds, batches, short=short)
    await _two(rounds, batches)


async def _engine(name: str, rounds: int, seconds: int, batches: int, *, short: bool) -> None:
    key = RsaPrivateKey.generate()
    figures = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        credential = make_folder(Path(folder))
        async with issuer(Path(folder), credential, engine=name, core=_cores()[0]) as running:
            await _through_http(running, 3)  # warms up what is made at first use
            for _ in range(rounds):
                # In turn, so that all three have the same neighbours.
                openssl = await _openssl(1 if short else seconds)
                signer = ENGINES[name](key)
                bare = await asyncio.to_thread(measure, signer, seconds=seconds / 2, clock=time.thread_time)
                http, _ = await _through_http(running, batches)
                figures.append((http, http / openssl, http / bare, bare / openssl, bare))
    http, of_openssl, of_bare, bare_of_openssl, bare = (
        statistics.median(column) for column in zip(*figures, strict=True)
    )
    print(f"{f'bare engine, {name}':40}  {bare:12,.0f}  {bare_of_openssl:10.2f}")
    goals = f"   (goals {_GOALS[name]} and {_BARE_GOAL})"
    print(f"{f'issuer, {name}':40}  {http:12,.0f}  {of_openssl:10.2f}  {of_bare:14.2f}{goals}", flush=True)


async def _two(rounds: int, batches: int) -> None:
    cores = _cores()
    if len(cores) < 2:
        print(f"{'two issuer processes':40}  not on this machine: it has one core", flush=True)
        return
    figures = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        folder = Path(name)
        credential = make_folder(folder)
        async with (
            issuer(folder, credential, core=cores[0]) as first,
            issuer(folder, credential, core=cores[1]) as second,
        ):
            for running in (first, second):
                await _through_http(running, 3)
            for _ in range(rounds):
                both = (first, second)
                alone = [await _through_http(running, batches) for running in both]
                together = await asyncio.gather(*(_through_http(running, batches) for running in both))
                by_cpu, by_clock = (
                    2 * sum(one[at] for one in together) / sum(one[at] for one in alone) for at in (0, 1)
                )
                figures.append((sum(rate for _, rate in together), by_clock, by_cpu))
    rate, by_clock, by_cpu = (statistics.median(column) for column in zip(*figures, strict=True))
    text = f"{rate:12,.0f}  {by_clock:.2f} times one by the clock, {by_cpu:.2f} by CPU time"
    print(f"{'two issuer processes, one folder':40}  {text}   (goal {_TWO_GOAL})", flush=True)


async def _through_http(running: Issuer, batches: int) -> tuple[float, float]:
    """Return signatures for each second of the issuer's CPU time, and of real time."""
    prepared = await asyncio.to_thread(running.batches, batches)
    used, started = cpu.seconds(running.pid), time.perf_counter()
    await drive(running.port, prepared, min(_CONNECTIONS, batches))
    passed = time.perf_counter() - started
    return batches * BATCH / (cpu.seconds(running.pid) - used), batches * BATCH / passed


async def _openssl(seconds: int) -> float:
    """Return what `openssl speed` says of signing with RSA-2048 on the first core."""
    command = ("taskset", "-c", str(_cores()[0]), "openssl", "speed", "-seconds", str(seconds), "rsa2048")
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await child.communicate()
    found = re.search(r"^rsa 2048 bits +\S+ +\S+ +([0-9.]+) ", output.decode(), re.MULTILINE)
    if found is None:
        raise RuntimeError("openssl speed says nothing of RSA-2048")
    return float(found[1])


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
