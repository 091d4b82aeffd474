"""Faults in a real deployment while load runs: every request and every token is accounted for."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.deployments import children
from support.load_tool import Done, load

from loadtest.analysis.report import Report

pytestmark = pytest.mark.e2e

RATE, SECONDS = 30, 8


async def local(folder: Path, scenario: str, *faults: str, more: tuple[str, ...] = ()) -> Report:
    arguments = [word for fault in faults for word in ("--fault", fault)]
    done: Done = await load(
        folder,
        *("run", scenario, "--local", "--rate", str(RATE), "--seconds", f"{SECONDS}s", "--timeout", "6s"),
        *arguments,
        *more,
    )
    assert "Traceback" not in done.err
    assert [fault.name for fault in done.full.faults] == [
        one.partition("@")[0].partition("=")[0] for one in faults
    ]
    assert_accounted(done.full)
    return done.full


def assert_accounted(report: Report) -> None:
    """Nothing is lost, and no token that was answered for was not spent."""
    assert report.requests.started == RATE * SECONDS
    assert report.requests.lost == report.tokens.lost == 0
    assert report.tokens.refused == 0
    assert report.requests.answered > 0
    if report.books:
        # What the gateway wrote down is at least what clients saw, and no more than they paid.
        paid = report.tokens.taken - report.tokens.returned
        assert report.requests.answered <= report.books["committed"] <= paid


async def test_nothing_happens(tmp_path: Path) -> None:
    report = await local(tmp_path, "ask")
    assert report.requests.answered == report.tokens.spent == report.books["committed"] == RATE * SECONDS
    assert {process.name for process in report.processes} >= {"relay", "gateway", "issuer", "target"}
    assert all(process.resident[-1] > 5 and process.descriptors[-1] > 3 for process in report.processes)


async def test_the_gateway_is_killed_and_its_store_pauses(tmp_path: Path) -> None:
    report = await local(
        tmp_path,
        "ask",
        "kill-gateway@1s+0.5s",
        "pause-redis@6s+1s",
        more=("--store", "redis"),
    )
    assert report.requests.outside + report.requests.burnt > 5
    assert report.tokens.burnt == report.requests.outside + report.requests.burnt
    # It was killed, so that its counters began anew.
    assert report.books == {}


async def test_the_target_is_killed_and_slow(tmp_path: Path) -> None:
    report = await local(tmp_path, "ask", "kill-target@1s+1s", "slow-target=300ms@5s+1s")
    outcomes = report.scenarios["ask"].outcomes
    assert outcomes["inside:502"] > 5
    assert report.tokens.given_back == outcomes["inside:502"]
    assert report.books["released"] == outcomes["inside:502"]
    assert report.scenarios["ask"].latency["max"] > 0.3


async def test_the_relay_is_killed_and_the_gateway_cut_off(tmp_path: Path) -> None:
    report = await local(tmp_path, "stream", "kill-relay@1s+1s", "cut-gateway@5s+1s")
    assert report.requests.unsent > 5
    assert report.tokens.unseen == report.requests.unsent


async def test_the_keys_turn_over(tmp_path: Path) -> None:
    report = await local(tmp_path, "gateway", "rotate-keys@2s+2s")
    outcomes = report.scenarios["gateway"].outcomes
    # Sealed to the old key, which was taken for two more seconds, and then not any more.
    assert outcomes["outside:422"] == pytest.approx(RATE * (SECONDS - 4), rel=0.25)
    assert report.requests.answered + outcomes["outside:422"] == report.requests.started


async def test_a_worker_where_there_is_but_one(tmp_path: Path) -> None:
    done = await load(tmp_path, "run", "ask", "--local", "--requests", "10", "--fault", "kill-worker@1s")
    assert (done.code, done.report) == (1, None)
    assert done.err.splitlines()[-1].endswith("kill-gateway ends that one.")


def test_a_load_process_is_killed_and_what_it_had_is_called_lost(tmp_path: Path) -> None:
    """The one way to lose something: then the report says how much, and the exit code is 1."""
    path = tmp_path / "report.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "loadtest", "run", "ask", "--local", "--rate", "30", "--seconds", "6s"),
            *("--processes", "2", "--json", str(path)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(r" +2\.\d s ", line):
                break
        victims = [
            pid
            for pid in children(process.pid)
            if b"loadtest.workers" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(victims) == 2
        os.kill(victims[0], signal.SIGKILL)
        killed = time.monotonic()
        _, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 1, err
    assert time.monotonic() - killed < 30
    report = Report.load(path)
    assert "died" in report.stopped
    assert report.tokens.lost > 10
    assert any("tokens are lost" in sentence for sentence in report.findings)
