import asyncio
import base64
import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import raw_http

from tacita.errors import ConfigError
from tacita.net.documents import MAX_DOCUMENT, Document, DocumentRefused, DocumentTooLong, fetch, lifetime
from tacita.net.upstream import UpstreamError, UpstreamLost, UpstreamTimeout, UpstreamUnreachable

KIND = "application/ohttp-keys"

Serve = Callable[[str], Awaitable[Document]]


def answer(body: bytes, *lines: str, status: int = 200, kind: str = KIND) -> bytes:
    head = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def saying(data: bytes) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    heads: list[dict[str, str]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(raw_http.fields(await raw_http.read_head(reader)))
        writer.write(data)
        await writer.drain()

    async with raw_http.serving(handle) as port:
        yield f"http://127.0.0.1:{port}/keys", heads


def test_the_tag_is_the_digest_and_nothing_else() -> None:
    document = Document(b"bytes", KIND, 60)
    digest = hashlib.sha256(b"bytes")
    assert document.etag == f'"sha256-{digest.hexdigest()}"'
    assert document.content_digest == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert Document(b"bytes", "text/plain", 5).etag == document.etag


async def test_a_document() -> None:
    async with saying(answer(b"k" * 100, 'ETag: "cookie"', "Cache-Control: public, Max-Age=60")) as (
        url,
        heads,
    ):
        document = await fetch(url, KIND)
    assert document == Document(b"k" * 100, KIND, 60)
    assert set(heads[0]) == {"host", "accept"}
    assert heads[0]["accept"] == KIND


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [("max-age=5", 5), ("no-store", 0), ("s-maxage=9", 0), ("max-age=-1", 0), ("max-age=9999999999", 0)],
)
async def test_how_long_it_is_fresh(cache_control: str, seconds: int) -> None:
    async with saying(answer(b"k", f"Cache-Control: {cache_control}")) as (url, _):
        assert (await fetch(url, KIND)).max_age == seconds


async def test_a_copy_is_named_by_its_digest_alone() -> None:
    known = Document(b"known", KIND, 1)
    async with saying(answer(b"", "Cache-Control: max-age=9", status=304)) as (url, heads):
        assert await fetch(url, KIND, known=known) == Document(b"known", KIND, 9)
    assert heads[0]["if-none-match"] == known.etag


async def test_a_304_without_a_copy_is_no_document() -> None:
    async with saying(answer(b"", status=304)) as (url, _):
        with pytest.raises(DocumentRefused):
            await fetch(url, KIND)


@pytest.mark.parametrize(
    "data",
    [
        answer(b"k", status=404),
        answer(b"k", "Location: /other", status=302),
        answer(b"k", kind="text/html"),
        answer(gzip.compress(b"k"), "Content-Encoding: gzip"),
        answer(b"k", status=206),
    ],
    ids=["status", "redirect", "type", "coding", "part"],
)
async def test_what_is_not_the_document(data: bytes) -> None:
    async with saying(data) as (url, heads):
        with pytest.raises(DocumentRefused):
            await fetch(url, KIND)
    assert len(heads) == 1


async def test_its_length_is_bounded() -> None:
    async with saying(answer(b"k" * MAX_DOCUMENT)) as (url, _):
        assert len((await fetch(url, KIND)).body) == MAX_DOCUMENT
    async with saying(answer(b"k" * (MAX_DOCUMENT + 1))) as (url, _):
        with pytest.raises(DocumentTooLong):
            await fetch(url, KIND)


async def test_a_body_cut_short() -> None:
    async with saying(answer(b"k" * 100)[:-1]) as (url, _):
        with pytest.raises(UpstreamLost):
            await fetch(url, KIND)


async def test_a_server_that_drips_is_not_waited_for() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_head(reader)
        writer.write(answer(b"k" * 1000)[:-1000])
        while True:
            writer.write(b"k")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_http.serving(drip) as port:
        with pytest.raises(UpstreamTimeout, match="took too long to give the document"):
            await fetch(f"http://127.0.0.1:{port}/", KIND, seconds=0.2)


async def test_nobody_is_there() -> None:
    async with saying(b"") as (url, _):
        pass
    with pytest.raises(UpstreamUnreachable):
        await fetch(url, KIND)


async def test_https_is_tls_1_3_with_roots_that_somebody_knows() -> None:
    async with saying(answer(b"k")) as (url, heads):
        with pytest.raises(UpstreamError):
            await fetch(url.replace("http:", "https:"), KIND)
    assert heads == []


async def test_what_is_no_url() -> None:
    with pytest.raises(ConfigError):
        await fetch("file:///etc/passwd", KIND)


@pytest.mark.parametrize(
    ("cache_control", "age", "seconds"),
    [
        ("max-age=60", "", 60),
        ("public, MAX-AGE=60 ,immutable", "", 60),
        ('max-age="60"', "", 60),
        ("max-age=60", "15", 45),
        ("max-age=60", "61", 0),
        ("max-age=60, max-age=30", "", 30),
        ("", "", 0),
        ("max-age", "", 0),
        ("max-age=-1", "", 0),
        ("max-age=6 0", "", 0),
        ("s-maxage=60", "", 0),
        ("no-store, max-age=60", "", 0),
        ("max-age=60, no-cache", "", 0),
        ("private, max-age=60", "", 0),
        ("max-age=60", "x", 60),
        ("max-age=99999999999", "", 0),
    ],
)
def test_lifetime(cache_control: str, age: str, seconds: int) -> None:
    assert lifetime(cache_control, age) == seconds


@given(st.text(), st.text())
def test_lifetime_of_anything_is_a_length_of_time(cache_control: str, age: str) -> None:
    assert 0 <= lifetime(cache_control, age) < 10**10


def test_tag_and_digest_are_those_of_the_content() -> None:
    # RFC 9530, appendix B.1: the digest of {"hello": "world"} and a line feed.
    document = Document(b'{"hello": "world"}\n', "application/json", 7)
    assert document.content_digest == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert document.tag == "sha256-44aff4ab2d7c3250525675a08f0cfa9591168cffe51791c5f5bbc417c15a6c38"
