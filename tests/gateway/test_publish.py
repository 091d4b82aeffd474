"""The two documents: what they say, and that everybody gets the same bytes."""

import json
from math import inf

import pytest
from aiohttp.test_utils import make_mocked_request
from support.clocks import Clock
from support.gateways import AUTHORITY, PATH, Gateway
from support.issuers import CHALLENGE
from support.ohttp_keys import gateway_key
from support.raw_http import fields

from gateway.config import IssuerConfig, TokenBudget
from gateway.issuers import IssuerKeys
from gateway.keys import Shown
from gateway.offers import offers_of
from gateway.publish import KeysEndpoint, challenge_document, keys_document
from tacita.ohttp import GatewayKeys
from tacita.ohttp.keyconfig import decode_list
from tacita.privacypass.challenge import TokenChallenge
from tacita.service.logs import Logger
from tacita.wire import base64url

CHANGES = {"date": "", "cache-control": ""}
"""What passes with time."""


def test_keys_are_listed_in_their_order() -> None:
    document = keys_document((gateway_key(key_id=7).config, gateway_key(key_id=3).config), 600)
    assert [config.key_id for config in decode_list(document.body)] == [7, 3]
    assert (document.media_type, document.max_age) == ("application/ohttp-keys", 600)


@pytest.mark.parametrize(
    ("now", "max_age"),
    [(0.0, 600), (400.0, 600), (400.5, 599), (998.9, 1), (999.1, 0), (1000.0, 0), (1500.0, 0)],
)
async def test_no_copy_of_the_keys_outlives_their_epoch(now: float, max_age: int) -> None:
    key = gateway_key()
    shown = Shown(4, (key.config,), GatewayKeys([key]), 1000.0, inf)
    clock = Clock(now)
    endpoint = KeysEndpoint(lambda: shown, 600, clock=clock)
    for _ in range(2):
        answer = await endpoint.handle(make_mocked_request("GET", PATH))
        assert answer.headers["Cache-Control"] == f"public, max-age={max_age}, no-transform"
        assert answer.headers["ETag"] == keys_document(shown.published, 0).etag


async def test_another_epoch_is_another_document() -> None:
    first, second = gateway_key(), gateway_key(key_id=2, seed=2)
    shown = Shown(4, (first.config,), GatewayKeys([first]), 1000.0, inf)
    endpoint = KeysEndpoint(lambda: shown, 600, clock=lambda: 0.0)
    before = await endpoint.handle(make_mocked_request("GET", PATH))
    shown = Shown(5, (second.config,), GatewayKeys([second]), 2000.0, inf)
    after = await endpoint.handle(make_mocked_request("GET", PATH))
    assert before.headers["ETag"] != after.headers["ETag"]
    assert after.body == keys_document(shown.published, 0).body


def test_the_challenge_document_says_what_a_token_buys() -> None:
    budget = TokenBudget(request_bytes=5000, response_bytes=6000, seconds=7)
    config = IssuerConfig(name="issuer.example", directory="http://mirror.example/")
    offers = offers_of([IssuerKeys(config, lambda: 0.0, Logger("gateway", {}))], AUTHORITY)
    document = challenge_document(offers, budget, 60)
    content = json.loads(document.body)
    assert TokenChallenge.decode(base64url.decode(content["challenge"])) == CHALLENGE
    assert len(content["challenge"]) % 4 == 0, "it carries its padding"
    assert content["token"] == {"request_bytes": 5000, "response_bytes": 6000, "seconds": 7}
    assert document.media_type == "application/json"


async def test_both_are_served_alike_to_everybody_and_304_to_whoever_has_them(gateway: Gateway) -> None:
    for path, kind in ((PATH, "application/ohttp-keys"), ("/challenge", "application/json")):
        plain = f"GET {path} HTTP/1.1\r\nHost: x\r\n"
        first, body = await gateway.raw((plain + "\r\n").encode())
        again, other = await gateway.raw(
            (plain + "User-Agent: u\r\nCookie: c=1\r\nAccept: */*\r\n\r\n").encode()
        )
        named = fields(first)
        assert body == other
        assert {**named, **CHANGES} == {**fields(again), **CHANGES}
        assert named["content-type"] == kind
        max_age = int(named["cache-control"].removeprefix("public, max-age=").removesuffix(", no-transform"))
        assert 0 <= max_age <= 3600, "less than an hour before midnight"
        assert set(named) == {
            "etag", "content-digest", "cache-control", "content-type", "content-length", "date",
        }  # fmt: skip
        for tag in (named["etag"], f'"x", W/{named["etag"]}', "*"):
            head, nothing = await gateway.raw(f"{plain}If-None-Match: {tag}\r\n\r\n".encode())
            assert head.startswith(b"HTTP/1.1 304 ")
            assert nothing == b""
            assert fields(head)["etag"] == named["etag"]


async def test_the_published_challenge_is_the_one_that_tokens_are_for(gateway: Gateway) -> None:
    _, body = await gateway.raw(b"GET /challenge HTTP/1.1\r\nHost: x\r\n\r\n")
    assert TokenChallenge.decode(base64url.decode(json.loads(body)["challenge"])) == CHALLENGE
