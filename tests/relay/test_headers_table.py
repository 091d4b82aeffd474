"""docs/relay-headers.md says what becomes of each field; here each field is sent, both ways."""

import asyncio
import re
from pathlib import Path

import pytest
from support.raw_http import fields, read_body
from support.relays import ANSWER, Gateway, relay_running, request

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "relay-headers.md").read_text()

ROWS = re.findall(r"^\| ([A-Z][A-Za-z-]+) \| (\w+) \| (\w+) \|$", TEXT, re.MULTILINE)

SENT = {
    "Content-Type": ("Message/OHTTP-req; v=7", "Message/OHTTP-res; v=7"),
    "Content-Length": ("6", "6"),
    "Incremental": ("?1", "?1"),
    "Content-Encoding": ("gzip", "gzip"),
    "Early-Data": ("1", "1"),
    "Host": ("relay.example", "relay.example"),
}
"""What is sent in each direction, where it cannot be anything."""

OWN = {"content-type", "content-length", "host", "date", "cache-control"}
"""What the relay says by itself."""


def test_the_table_has_every_field_that_is_not_dropped() -> None:
    kept = {name for name, there, back in ROWS if {there, back} - {"dropped"}}
    assert kept == {*SENT, "Date", "Cache-Control"}
    assert len(ROWS) == len({name for name, _, _ in ROWS}) > 30
    assert {fate for _, *fates in ROWS for fate in fates} == {"passed", "rewritten", "refused", "dropped"}


def with_field(message: bytes, name: str, value: str) -> bytes:
    """Return `message` with the field, in the place of one that is there already."""
    line = f"{name}: {value}\r\n".encode()
    others = re.sub(rb"(?im)^%b: .*\r\n" % name.encode(), b"", message)
    start, _, rest = others.partition(b"\r\n")
    return start + b"\r\n" + line + rest


def fate(name: str, sent: str, got: dict[str, str]) -> str:
    value = got.get(name.lower())
    if value == sent:
        return "passed"
    return "dropped" if value is None else "rewritten"


@pytest.mark.parametrize(("name", "there", "back"), ROWS)
async def test_each_field_fares_as_the_table_says(gateway: Gateway, name: str, there: str, back: str) -> None:
    out, home = SENT.get(name, ("canary-7", "canary-7"))

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(with_field(ANSWER, name, home))

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        head, _ = await relay.ask(with_field(request(), name, out))
        if there == "refused":
            assert head.split(b" ")[1] in {b"415", b"425"}
            assert not gateway.heads
            head, _ = await relay.ask(request())
        else:
            assert fate(name, out, fields(gateway.heads[-1])) == there
        assert fate(name, home, fields(head)) == back
    if "dropped" in {there, back} and name.lower() not in OWN:
        assert b"canary" not in gateway.heads[-1] + head
