import json
from collections.abc import AsyncGenerator

import pytest

from tacita.client import refusals
from tacita.client.errors import AnswerRefused, AnswerTruncated, KeyRefused
from tacita.ohttp.errors import ResponseRefused


async def pieces(*parts: bytes | Exception) -> AsyncGenerator[bytes]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


async def inside(*parts: bytes | Exception, status: int = 403) -> AnswerRefused:
    return await refusals.inside(status, pieces(*parts))


async def test_what_problem_documents_and_openai_errors_say() -> None:
    assert (await inside(b'{"detail": "Too', b' many."}')).detail == "Too many."
    assert (await inside(b'{"error": {"message": "Two\\nlines."}}')).detail == "Two lines."


@pytest.mark.parametrize(
    "body",
    [b"", b"<p>", b"[]", b"5", b'"error"', b'{"error": "x"}', b'{"detail": 5}', b"[" * 4000, b"\xff"],
)
async def test_anything_else_says_nothing(body: bytes) -> None:
    assert (await inside(body)).detail == ""


@pytest.mark.parametrize("said", ["\x1b[2J", "a\x07", "\u202ereversed", "\x9b31m"])
async def test_no_terminal_is_steered(said: str) -> None:
    assert (await inside(json.dumps({"detail": said}).encode())).detail == ""


async def test_a_refusal_without_end_is_not_waited_for() -> None:
    asked = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 1000

    assert (await refusals.inside(500, endless())).detail == ""
    assert asked == 5


async def test_a_refusal_that_breaks_off_is_still_a_refusal_and_a_forged_one_is_none() -> None:
    refused = await inside(b'{"detail": ', AnswerTruncated("cut"), status=503)
    assert (refused.inner_status, refused.detail) == (503, "")
    with pytest.raises(ResponseRefused):
        await inside(b"{", ResponseRefused())


async def test_each_status_has_one_sentence() -> None:
    for status in range(100, 600):
        for error in (refusals.outside(status), await inside(b"", status=status)):
            assert str(error).endswith(".")
            assert "\n" not in str(error)
        assert isinstance(refusals.outside(status), KeyRefused) == (status == 422)
