"""The two documents: what they say, and that everybody gets the same bytes."""

import json

from support.gateways import PATH, Gateway
from support.issuers import CHALLENGE
from support.ohttp_keys import gateway_key
from support.raw_http import fields

from gateway.config import TokenBudget
from gateway.publish import challenge_document, keys_document
from tacita.ohttp import GatewayKeys
from tacita.ohttp.keyconfig import decode_list
from tacita.privacypass.challenge import TokenChallenge
from tacita.wire import base64url


def test_keys_are_listed_in_their_order() -> None:
    keys = GatewayKeys([gateway_key(key_id=7), gateway_key(key_id=3)])
    document = keys_document(keys, 600)
    assert [config.key_id for config in decode_list(document.body)] == [7, 3]
    assert (document.media_type, document.max_age) == ("application/ohttp-keys", 600)


def test_the_challenge_document_says_what_a_token_buys() -> None:
    budget = TokenBudget(request_bytes=5000, response_bytes=6000, seconds=7)
    document = challenge_document(CHALLENGE, budget, 60)
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
        assert {**named, "date": ""} == {**fields(again), "date": ""}
        assert named["content-type"] == kind
        assert named["cache-control"] == "public, max-age=3600, no-transform"
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
