"""Signatures a second of the issuer, through HTTP, beside its bare engine and `openssl speed rsa2048`.

Rates are per second of CPU time, which is what `openssl speed` reports, too, so that neighbours on
the machine disturb neither. All three run on the first core, and the load generator on another, in many
short rounds: a core's speed drifts by a tenth within a minute, so only what was measured within the
same seconds is compared, and the median of the ratios counts.

How two processes compare with one is a matter of real time, which neighbours do disturb, and the load
generator, too, where there are no cores but those of the two: beside it stand the generator's share of the
two cores, which nobody can sign in, and how much each process slows the other down by CPU time.
"""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import cpu
from bench.cores import beside, cores
from bench.issuer import BATCH, Issuer, issuer, make_folder
from bench.load import drive
from bench.results import TIMES, Goal, Section, Table, at_least, spread
from tacita.crypto.engines import survey
from tacita.crypto.engines.survey import ENGINES
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer, SigningUnavailable

__all__ = ["measure"]

_TEXT = f"""\
Through the real endpoint, with an account, its quota and batches of {BATCH}, on one core, and per second of
CPU time as `openssl speed` reports it. Two processes share a folder of keys and the quota.
"""
_OBSTACLE = f"""\
Between the engine and the wire: reading {BATCH} blinded messages, the check s^e = m of each signature
before it leaves, the quota's transaction and HTTP."""
_CLOCK = """\
By the clock, whatever else runs on the two cores counts, too; the table has how much of them the load
generator took. By CPU time, which says whether the processes are in each other's way, it is the other
figure."""
_CONNECTIONS = 8
_MEASURED = ("crypto_mb", "libcrypto")
_GOALS = {"crypto_mb": 2.5, "libcrypto": 0.9}
_BARE_GOAL = 0.9
_TWO_GOAL = 1.8


async def measure(*, short: bool) -> Section:
    """Measure every engine, and two processes."""
    rounds, batches = (2, 25) if short else (9, 100)
    rows: list[Sequence[str]] = [("`openssl speed rsa2048`", f"{await _openssl():,.0f}", "", "")]
    section = Section(
        "Issuer",
        _TEXT,
        [Table(("", "signatures/s of CPU", "of `openssl speed`", "of the bare engine"), rows)],
    )
    for name in _MEASURED:
        try:
            ENGINES[name](RsaPrivateKey.generate())
        except SigningUnavailable as reason:
            rows.append((name, f"not on this machine: {reason}", "", ""))
            continue
        await _engine(section, rows, name, rounds, batches)
    await _two(section, rounds, batches)
    return section


async def _engine(section: Section, rows: list[Sequence[str]], name: str, rounds: int, batches: int) -> None:
    signer = ENGINES[name](RsaPrivateKey.generate())
    figures = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        credential = make_folder(Path(folder))
        async with issuer(Path(folder), credential, engine=name, core=cores()[0]) as running:
            with beside(cores()[0]):
                await _through_http(running, 3)  # warms up what is made at first use
                for _ in range(rounds):
                    # In turn, so that all three have the same neighbours.
                    openssl = await _openssl()
                    bare = await asyncio.to_thread(_bare, signer)
                    http, _ = await _through_http(running, batches)
                    figures.append((http, http / openssl, http / bare, bare / openssl, bare))
    rates, of_openssl, of_bare, bare_of_openssl, of_engine = zip(*figures, strict=True)
    rows.append((f"bare engine, {name}", spread(of_engine), spread(bare_of_openssl), ""))
    rows.append((f"issuer, {name}", spread(rates), spread(of_openssl), spread(of_bare)))
    goal = at_least(f"issuer with {name}, of `openssl speed`", of_openssl, _GOALS[name], TIMES, _OBSTACLE)
    section.goals.append(goal)
    section.goals.append(
        at_least(f"issuer with {name}, of the bare engine", of_bare, _BARE_GOAL, TIMES, _OBSTACLE)
    )


async def _two(section: Section, rounds: int, batches: int) -> None:
    found = cores()
    if len(found) < 2:
        text = "this machine has one core"
        section.goals.append(Goal("two issuer processes", f"≥ {_TWO_GOAL}{TIMES} one", text, None, text))
        return
    figures = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        folder = Path(name)
        credential = make_folder(folder)
        async with (
            issuer(folder, credential, core=found[0]) as first,
            issuer(folder, credential, core=found[1]) as second,
        ):
            both = (first, second)
            for running in both:
                await _through_http(running, 3)
            for _ in range(rounds):
                alone = [await _through_http(running, batches) for running in both]
                prepared = [await asyncio.to_thread(running.batches, batches) for running in both]
                used, started = time.process_time(), time.perf_counter()
                together = await asyncio.gather(*map(_send, both, prepared))
                share = (time.process_time() - used) / (time.perf_counter() - started) / 2 * 100
                by_cpu, by_clock = (
                    2 * sum(one[at] for one in together) / sum(one[at] for one in alone) for at in (0, 1)
                )
                figures.append((sum(rate for _, rate in together), by_clock, share, by_cpu))
    rates, of_one, shares, of_cpu = zip(*figures, strict=True)
    columns = (
        "",
        "signatures/s",
        "of one, by the clock",
        "of one, by CPU time",
        "% of both cores for the load",
    )
    row = ("two processes, one folder", spread(rates), spread(of_one), spread(of_cpu), spread(shares))
    section.tables.append(Table(columns, [row]))
    section.goals += [
        at_least("two issuer processes, by CPU time", of_cpu, _TWO_GOAL, f"{TIMES} one"),
        at_least("two issuer processes, by the clock", of_one, _TWO_GOAL, f"{TIMES} one", _CLOCK),
    ]


def _bare(signer: Signer) -> float:
    """Return what `signer` makes in a second of CPU time on the first core. In a thread: it stays there."""
    os.sched_setaffinity(0, {cores()[0]})
    return survey.measure(signer, seconds=0.5, clock=time.thread_time)


async def _through_http(running: Issuer, batches: int) -> tuple[float, float]:
    """Return signatures for each second of the issuer's CPU time, and of real time."""
    return await _send(running, await asyncio.to_thread(running.batches, batches))


async def _send(running: Issuer, prepared: Sequence[bytes]) -> tuple[float, float]:
    used, started = cpu.seconds(running.pid), time.perf_counter()
    await drive(running.port, prepared, min(_CONNECTIONS, len(prepared)))
    passed = time.perf_counter() - started
    signatures = len(prepared) * BATCH
    return signatures / (cpu.seconds(running.pid) - used), signatures / passed


async def _openssl() -> float:
    """Return what `openssl speed` says of signing with RSA-2048 on the first core, after a second."""
    command = ("taskset", "-c", str(cores()[0]), "openssl", "speed", "-seconds", "1", "rsa2048")
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await child.communicate()
    found = re.search(r"^rsa 2048 bits +\S+ +\S+ +([0-9.]+) ", output.decode(), re.MULTILINE)
    if found is None:
        raise RuntimeError("openssl speed says nothing of RSA-2048")
    return float(found[1])
