"""Prepared requests between runs: reused as long as they are good, each token shown once ever."""

import asyncio
import json
from pathlib import Path

from support.load_tool import Done, load
from support.stand_in import StandIn

from loadtest.prepared.file import PreparedFile


async def run(there: StandIn, folder: Path, *arguments: str) -> Done:
    return await load(
        folder, *arguments, "--endpoints", str(there.endpoints), "--prepared", str(folder / "kept")
    )


def kept(folder: Path, kind: str = "oneshot") -> PreparedFile:
    return PreparedFile(folder / "kept" / f"{kind}.prepared")


async def test_what_was_prepared_is_used_up_over_several_runs(there: StandIn, tmp_path: Path) -> None:
    done = await run(there, tmp_path, "prepare", "ask", "--requests", "90")
    assert done.code == 0, done.err
    assert str(tmp_path / "kept") in done.out
    assert kept(tmp_path).header().left == there.issued == 90
    assert there.answered == 0
    for left in (60, 30, 0):
        done = await run(there, tmp_path, "run", "ask", "--requests", "30", "--concurrency", "3")
        assert done.code == 0, done.err
        assert done.full.requests.answered == 30
        assert kept(tmp_path).header().left == left
    # Nothing more was bought, and the server, which refuses what it has seen, has refused nothing.
    assert there.issued == 90
    assert len(set(there.nonces)) == there.answered == 90
    done = await run(there, tmp_path, "run", "gateway", "--requests", "10", "--concurrency", "3")
    assert there.issued == 100


async def test_what_a_run_did_not_need_is_there_for_the_next(there: StandIn, tmp_path: Path) -> None:
    done = await run(there, tmp_path, "run", "ask", "--rate", "20", "--seconds", "2s", "--requests", "100")
    assert done.code == 0, done.err
    assert (done.full.tokens.taken, done.full.tokens.returned) == (100, 60)
    assert kept(tmp_path).header().left == 60
    done = await run(there, tmp_path, "run", "ask", "--requests", "60", "--concurrency", "2")
    assert done.code == 0, done.err
    assert there.issued == len(set(there.nonces)) == 100


async def test_two_runs_at_once_share_a_file_and_no_token(there: StandIn, tmp_path: Path) -> None:
    await run(there, tmp_path, "prepare", "ask", "--requests", "80")
    arguments = ("run", "ask", "--requests", "40", "--concurrency", "4")
    (tmp_path / "other").mkdir()
    first, second = await asyncio.gather(
        run(there, tmp_path, *arguments),
        load(
            tmp_path / "other",
            *(*arguments, "--endpoints", str(there.endpoints), "--prepared", str(tmp_path / "kept")),
        ),
    )
    assert first.full.requests.answered == second.full.requests.answered == 40
    assert len(set(there.nonces)) == 80
    assert there.issued == 80


async def test_a_file_is_stale_when_the_gateways_key_is_gone(there: StandIn, tmp_path: Path) -> None:
    await run(there, tmp_path, "prepare", "ask", "--requests", "20")
    there.turn_over(2)
    done = await run(there, tmp_path, "run", "ask", "--requests", "20", "--concurrency", "2")
    assert done.code == 0, done.err
    assert "gateway's key is gone" in done.err
    assert done.full.requests.answered == 20
    assert there.issued == 40


async def test_a_file_is_stale_when_it_was_made_for_another_request(there: StandIn, tmp_path: Path) -> None:
    await run(there, tmp_path, "prepare", "ask", "--requests", "20")
    done = await run(there, tmp_path, "run", "ask", "--requests", "20", "--size", "2000")
    assert done.code == 0, done.err
    assert "another request" in done.err


async def test_a_damaged_file_is_made_anew(there: StandIn, tmp_path: Path) -> None:
    await run(there, tmp_path, "prepare", "relay", "--requests", "20")
    kept(tmp_path, "bare").path.write_bytes(b"x" * 6000)
    done = await run(there, tmp_path, "run", "relay", "--requests", "20")
    assert done.code == 0, done.err
    assert "damaged" in done.err


async def test_a_knee_is_found_and_two_runs_are_compared(there: StandIn, tmp_path: Path) -> None:
    """A server that does one thing at a time, 100 a second: a ramp ends soon after that."""
    there.one_at_a_time = 0.01
    done = await run(there, tmp_path, "run", "relay", "--ramp", "20..2000x2/2s", "--connections", "64")
    report = done.full
    assert report.knee.startswith(("40", "80"))
    assert report.steps[-1].rate < 700
    assert not report.stopped
    paths = []
    for number, delay in enumerate((0.0, 0.03)):
        there.one_at_a_time, there.bare_delay = 0.0, delay
        done = await run(there, tmp_path, "run", "relay", "--rate", "30", "--seconds", "12s")
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_bytes(done.full.encode())
    done = await load(tmp_path, "compare", *map(str, paths))
    assert done.code == 0, done.err
    (row,) = [line for line in done.out.splitlines() if " p50 " in line]
    assert "worse" in row
    assert json.loads(paths[0].read_text())["format"].startswith("tacita-load")
