"""The directory over HTTP, with keys that turn over by a clock that the tests hold."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from issuer.directory import WELL_KNOWN, DirectoryEndpoint
from issuer.key_folder import KeyFolder
from issuer.key_types import types_named
from issuer.keys import IssuerKeys
from tacita.crypto.keyring import Schedule
from tacita.privacypass.directory import IssuerDirectory

PERIOD = 100_000
MAX_AGE = 3600


@dataclass
class Place:
    session: aiohttp.ClientSession
    keys: IssuerKeys
    now: float

    async def get(self, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.session.get(WELL_KNOWN, headers=headers) as response:
            return response, await response.read()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    def clock() -> float:
        return place.now

    types = types_named(["voprf-ristretto255", "voprf-p384"])
    keys = IssuerKeys(KeyFolder(tmp_path), types, Schedule(PERIOD), clock=clock)
    endpoint = DirectoryEndpoint(keys.present, "https://issuer.example", MAX_AGE, clock=clock)
    app = web.Application()
    app.add_routes([web.get(WELL_KNOWN, endpoint.handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            place = Place(session, keys, 5.0 * PERIOD)
            keys.turn()
            yield place
    finally:
        await runner.cleanup()


async def test_newest_first_each_with_its_not_before(place: Place) -> None:
    place.now = 6.0 * PERIOD
    place.keys.turn()
    response, body = await place.get()
    assert response.headers["Content-Type"] == "application/private-token-issuer-directory"
    directory = IssuerDirectory.from_json(body)
    assert directory.issuer_request_uri == "https://issuer.example/token-request"
    assert [(key.token_type, key.not_before) for key in directory.token_keys] == [
        (kind, epoch * PERIOD) for epoch in (7, 6, 5) for kind in (1, 5)
    ]
    # A client that takes the first whose time has come has the one that issues.
    assert directory.current_key(5, place.now) == directory.token_keys[3]


@pytest.mark.parametrize(
    ("left", "age"),
    [(PERIOD, MAX_AGE), (3601, MAX_AGE), (3600, 3600), (3599.9, 3599), (1.5, 1), (0.5, 0), (0.001, 0)],
)
async def test_no_copy_outlives_the_boundary(place: Place, left: float, age: int) -> None:
    place.now = 6.0 * PERIOD - left
    response, _ = await place.get()
    assert response.headers["Cache-Control"] == f"public, max-age={age}, no-transform"
    known, _ = await place.get(**{"If-None-Match": response.headers["ETag"]})
    assert (known.status, known.headers["Cache-Control"]) == (304, f"public, max-age={age}, no-transform")


async def test_the_tag_is_the_digest_and_changes_with_the_keys_alone(place: Place) -> None:
    first, body = await place.get()
    assert first.headers["ETag"] == f'"sha256-{sha256(body).hexdigest()}"'
    place.now += PERIOD / 2
    place.keys.turn()
    same, _ = await place.get(**{"If-None-Match": first.headers["ETag"]})
    assert same.status == 304
    place.now += PERIOD / 2
    other, new_body = await place.get(**{"If-None-Match": first.headers["ETag"]})
    assert other.status == 200
    assert new_body != body


async def test_head_has_the_fields_of_get_and_no_content(place: Place) -> None:
    whole, _ = await place.get()
    async with place.session.head(WELL_KNOWN) as response:
        assert response.status == 200
        assert await response.read() == b""
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert response.headers[name] == whole.headers[name]
