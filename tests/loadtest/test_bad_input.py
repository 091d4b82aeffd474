"""What an operator gets wrong, or what is wrong at their end: one sentence, exit code 1, nothing hidden."""

from pathlib import Path

import pytest
from support.load_tool import Done, load
from support.ports import free_port
from support.stand_in import StandIn

SMALL = ("--requests", "40", "--concurrency", "4", "--seconds", "20s")


async def run(there: StandIn, folder: Path, scenario: str, *more: str) -> Done:
    return await load(folder, "run", scenario, "--endpoints", str(there.endpoints), *(more or SMALL))


def assert_one_sentence(done: Done, *words: str) -> None:
    """Nothing was measured, and standard error ends with one sentence that has `words` in it."""
    assert (done.code, done.out, done.report) == (1, "", None)
    sentence = done.err.splitlines()[-1]
    assert sentence.startswith("tacita-load: ")
    assert sentence.endswith((".", "?"))
    for word in words:
        assert word in sentence
    assert "Traceback" not in done.err


def change(there: StandIn, old: str, new: str) -> None:
    text = there.endpoints.read_text()
    assert old in text
    there.endpoints.write_text(text.replace(old, new))


async def test_nobody_is_there(there: StandIn, tmp_path: Path) -> None:
    origin = there.endpoints.read_text().split('"messages": "')[1].split("/gateway")[0]
    change(there, origin, f"http://127.0.0.1:{free_port()}")
    assert_one_sentence(await run(there, tmp_path, "ask"), "relay", "cannot be reached")


async def test_there_are_no_endpoints(tmp_path: Path) -> None:
    done = await load(tmp_path, "run", "ask", "--endpoints", str(tmp_path / "none.json"), *SMALL)
    assert_one_sentence(done, "cannot be read")


@pytest.mark.parametrize("status", [404, 502, 503])
async def test_the_relay_refuses(there: StandIn, tmp_path: Path, status: int) -> None:
    there.outside = (status, {})
    assert_one_sentence(await run(there, tmp_path, "ask"), str(status))


async def test_a_redirect_is_not_followed(there: StandIn, tmp_path: Path) -> None:
    there.outside = (307, {"Location": "http://192.0.2.1/"})
    assert_one_sentence(await run(there, tmp_path, "relay"), "redirect")


async def test_a_redirect_in_the_middle_is_counted_and_not_followed(there: StandIn, tmp_path: Path) -> None:
    there.delay = 0.01

    def later() -> bool:
        if there.answered > 20:
            there.outside = (307, {"Location": "http://192.0.2.1/"})
        return False

    done = await load(
        tmp_path,
        *("run", "ask", "--endpoints", str(there.endpoints)),
        *("--requests", "60", "--concurrency", "2"),
        interrupt_when=later,
    )
    assert done.code == 1
    assert done.full.scenarios["ask"].outcomes["outside:307"] > 10
    assert done.full.requests.lost == done.full.tokens.lost == 0


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_is_an_hour_off(there: StandIn, tmp_path: Path, hours: int) -> None:
    there.date_offset = hours * 3600
    assert_one_sentence(await run(there, tmp_path, "ask"), "60 minutes apart")


async def test_the_gateways_clock_is_off_behind_a_relay_whose_is_not(there: StandIn, tmp_path: Path) -> None:
    there.inner_offset = 3600
    assert_one_sentence(await run(there, tmp_path, "gateway"), "gateway", "clock")


async def test_no_token_can_be_had(there: StandIn, tmp_path: Path) -> None:
    there.quota = 0
    assert_one_sentence(await run(there, tmp_path, "ask"), "had its tokens", "0 of 40")


async def test_what_can_be_had_is_used_and_the_report_says_that_it_is_partial(
    there: StandIn, tmp_path: Path
) -> None:
    there.quota = 120
    done = await run(there, tmp_path, "ask", "--requests", "300", "--concurrency", "4", "--seconds", "20s")
    assert done.code == 1
    assert "had its tokens" in done.full.stopped
    assert done.full.requests.answered == 100
    assert done.full.tokens.lost == 0


async def test_the_quota_ends_in_the_middle(there: StandIn, tmp_path: Path) -> None:
    there.quota = 100
    arguments = ("--requests", "400", "--concurrency", "4", "--batch", "5", "--seconds", "30s")
    done = await run(there, tmp_path, "issue", *arguments)
    assert done.code == 1
    assert done.full.scenarios["issue"].outcomes["answered"] == 20
    assert any("429" in sentence and "quota" in sentence for sentence in done.full.findings)


async def test_tokens_are_refused(there: StandIn, tmp_path: Path) -> None:
    there.inside = (401, "{}")
    done = await run(there, tmp_path, "ask")
    assert done.code == 1
    assert done.full.requests.inside == 40
    assert done.full.tokens.refused == 40
    assert any("did not take the token" in sentence for sentence in done.full.findings)


async def test_the_target_dies_in_the_middle(there: StandIn, tmp_path: Path) -> None:
    def later() -> bool:
        if there.answered > 30:
            there.inside = (502, "{}")
        return False

    done = await load(
        tmp_path,
        *("run", "ask", "--endpoints", str(there.endpoints), "--rate", "60", "--seconds", "60s"),
        interrupt_when=later,
    )
    # It ends by itself, long before its time.
    assert done.code == 1
    assert "nothing was answered" in done.full.stopped
    assert done.full.tokens.given_back == done.full.requests.inside > 0
    assert done.full.tokens.lost == done.full.requests.lost == 0
    assert any("502" in sentence for sentence in done.full.findings)


async def test_ctrl_c_keeps_the_partial_report(there: StandIn, tmp_path: Path) -> None:
    markdown = tmp_path / "report.md"
    done = await load(
        tmp_path,
        *("run", "ask", "--endpoints", str(there.endpoints), "--rate", "50", "--seconds", "20s"),
        *("--markdown", str(markdown)),
        interrupt_when=lambda: there.answered > 60,
    )
    assert done.code == 130
    assert done.full.stopped == "The run was interrupted."
    assert done.full.requests.answered >= 60
    assert done.full.requests.lost == done.full.tokens.lost == 0
    assert done.full.tokens.returned > 500
    assert "interrupted" in markdown.read_text()


async def test_a_report_that_cannot_be_written_is_said_before_the_load(
    there: StandIn, tmp_path: Path
) -> None:
    done = await run(there, tmp_path, "relay", "--html", str(tmp_path / "no" / "such.html"))
    assert done.code == 1
    assert there.answered == 0
    assert "cannot be written" in done.err
