from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tacita.net.documents import Document
from tacita.service.documents import serve_document

DOCUMENT = Document(b"the keys", "application/ohttp-keys", 60)

Client = TestClient[web.Request, web.Application]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_get("/keys", serve_document(DOCUMENT))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_everybody_gets_the_same(client: Client) -> None:
    seen = []
    for headers in ({}, {"User-Agent": "one"}, {"Cookie": "a=b", "X-Forwarded-For": "10.0.0.1"}):
        async with client.get("/keys", headers=headers) as response:
            assert await response.read() == DOCUMENT.body
            fields = {name.lower(): value for name, value in response.headers.items()}
            seen.append({name: fields[name] for name in fields.keys() - {"date", "server"}})
    assert seen[0] == seen[1] == seen[2]
    assert seen[0] == {
        "etag": DOCUMENT.etag,
        "cache-control": "public, max-age=60, no-transform",
        "content-type": "application/ohttp-keys",
        "content-digest": DOCUMENT.content_digest,
        "content-length": "8",
    }


async def test_head(client: Client) -> None:
    async with client.head("/keys") as response:
        assert await response.read() == b""
        assert response.headers["ETag"] == DOCUMENT.etag
        assert response.headers["Content-Length"] == "8"
        assert "Content-Digest" not in response.headers


@pytest.mark.parametrize(
    "tags", [DOCUMENT.etag, f"W/{DOCUMENT.etag}", f'"x", {DOCUMENT.etag}', f'{DOCUMENT.etag}, "x"', "*"]
)
async def test_who_has_it_is_told_so(client: Client, tags: str) -> None:
    async with client.get("/keys", headers={"If-None-Match": tags}) as response:
        assert response.status == 304
        assert await response.read() == b""
        assert response.headers["ETag"] == DOCUMENT.etag
        assert response.headers["Cache-Control"] == "public, max-age=60, no-transform"


@pytest.mark.parametrize("tags", ["", '"x"', DOCUMENT.tag, DOCUMENT.etag.upper(), '"', ",,"])
async def test_who_has_another_gets_it(client: Client, tags: str) -> None:
    async with client.get("/keys", headers={"If-None-Match": tags}) as response:
        assert response.status == 200
