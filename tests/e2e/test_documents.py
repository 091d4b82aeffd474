"""What anybody gets who fetches the published documents at a mirror: the origin's bytes."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.deployments import get

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stub")]

DOCUMENTS = {
    "gateway_keys": ("gateway", "keys", "application/ohttp-keys"),
    "challenge": ("gateway", "challenge", "application/json"),
    "issuer_directory": ("issuer", "directory", "application/private-token-issuer-directory"),
}


@pytest.fixture
def endpoints(sqlite_state: Path) -> Any:
    return json.loads((sqlite_state / "endpoints.json").read_text())


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("mirror", ["relay", "mirror"])
async def test_the_mirrored_document_is_the_origins(endpoints: Any, mirror: str, document: str) -> None:
    role, name, media_type = DOCUMENTS[document]
    status, original = await asyncio.to_thread(get, endpoints[role][name])
    assert status == 200
    url = endpoints[mirror][document]
    etag = f'"sha256-{hashlib.sha256(original).hexdigest()}"'
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as first:
            assert await first.read() == original
            assert first.headers["ETag"] == etag
            assert first.content_type == media_type
            assert "Set-Cookie" not in first.headers
        async with session.get(url, headers={"If-None-Match": etag}) as second:
            assert second.status == 304
            assert await second.read() == b""
        async with session.get(url, headers={"If-None-Match": '"sha256-00"'}) as third:
            assert third.status == 200
            assert await third.read() == original


@pytest.mark.parametrize("mirror", ["relay", "mirror"])
async def test_a_stranger_is_told_nothing_about_itself(endpoints: Any, mirror: str) -> None:
    """Two visitors that differ in all that they show get the same head, the time apart."""
    heads = []
    for visitor in ({}, {"Cookie": "a=b", "User-Agent": "x", "Accept-Language": "xx", "Forwarded": "for=x"}):
        async with (
            aiohttp.ClientSession(headers=visitor) as session,
            session.get(endpoints[mirror]["gateway_keys"]) as answer,
        ):
            heads.append(
                {k: v for k, v in answer.headers.items() if k not in {"Date", "Age", "Cache-Control"}}
            )
    assert heads[0] == heads[1]


async def test_the_second_mirror_takes_no_messages(endpoints: Any) -> None:
    url = endpoints["mirror"]["gateway_keys"].removesuffix("/keys")
    headers = {"Content-Type": "message/ohttp-req"}
    async with aiohttp.ClientSession() as session, session.post(url, data=b"x", headers=headers) as answer:
        assert answer.status in {404, 405}
