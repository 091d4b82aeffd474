"""Everything that a peer can make go wrong, with a secret in each place where a program may write it down.

Each function checks what the peer is told, too: that the errors were the expected ones, and
that none repeats what it was sent.
"""

import asyncio
import json
import secrets
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from support.asking import Client, post, request
from support.targets import dying, plain, raw

from tacita.bhttp import Request, RequestHead
from tacita.client import chat
from tacita.client.errors import AnswerTruncated
from tacita.ohttp import media
from tacita.ohttp.chunked import RequestSealer
from tacita.privacypass import batch
from tacita.privacypass.token import Token

if TYPE_CHECKING:
    from support.scene import Scene

__all__ = [
    "disturb_everybody",
    "have_the_target_fail",
    "kill_the_node",
    "misuse_the_issuer",
    "misuse_the_node",
    "send_what_cannot_be_forwarded",
    "send_what_cannot_be_opened",
]

_STRANGER = "127.0.0.77"


async def disturb_everybody(scene: "Scene") -> None:
    """Send what is not HTTP, or for nobody, to every port, the operators' included."""
    stray = scene.stray.encode()
    broken = [
        b"GET /%b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (stray, stray),
        b"GET /%b HTTP/1.1\r\nHost: x\r\nX-%b: %b\r\nContent-Length: %b\r\n\r\n" % ((stray,) * 4),
        b"%b / HTTP/9.9\r\n\r\n" % stray,
        b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz%b\r\n" % (stray, stray),
        b"GET /%b HTTP/1.1\r\nHost: x\r\nX-Long: %b\r\n\r\n" % (stray, stray * 1000),
        b"\x16\x03\x01\x02\x00\x01\x00" + stray,
        b"PUT /gateway HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % stray,
        b"GET /gateway/%b?%b HTTP/1.1\r\nHost: x\r\nCookie: %b\r\nConnection: close\r\n\r\n" % ((stray,) * 3),
    ]
    await asyncio.gather(*(_shout(port, data) for port in _ports(scene) for data in broken))


def _ports(scene: "Scene") -> list[int]:
    endpoints = scene.roles.deployment.endpoints
    urls = [one.admin for one in scene.roles.deployment.processes]
    urls += [endpoints["mirror"]["gateway_keys"], endpoints["relay"]["messages"]]
    urls += [endpoints["gateway"]["messages"], endpoints["issuer"]["directory"], endpoints["target"]["url"]]
    return [int(url.split("/")[2].rpartition(":")[2]) for url in urls]


async def send_what_cannot_be_opened(scene: "Scene", client: Client) -> None:
    stray = scene.stray.encode()
    relay, gateway = client.endpoints.relay.messages, scene.roles.deployment.endpoints["gateway"]["messages"]
    config = client.trust.key_config
    header = bytes([config.key_id]) + config.kem.to_bytes(2) + b"\x00\x01\x00\x01"
    # Longer than the encapsulated key of any KEM.
    sealed = stray * (config.kem.n_enc // len(stray) + 4)
    unknown = bytes([config.key_id ^ 0xFF]) + header[1:]
    sealer = RequestSealer(config)
    cut = sealer.header() + sealer.seal(stray)
    for url in (relay, gateway):
        for kind in (media.REQUEST, media.CHUNKED_REQUEST):
            for body in (stray, header + sealed, unknown + sealed):
                assert (await post(url, body, kind)).status == 422
        assert (await post(url, cut, media.CHUNKED_REQUEST)).status == 200  # a refusal inside
        assert (await post(url, stray, f"text/{scene.stray}")).status == 415
        assert (await post(f"{url}/{scene.stray}", stray, media.REQUEST)).status == 404
        assert (await post(url, stray * 40_000, media.REQUEST)).status in {0, 413}


async def send_what_cannot_be_forwarded(scene: "Scene", client: Client, tokens: list[Token]) -> None:
    scene.target.answer = plain()
    stray = scene.stray.encode()
    fresh = tokens.pop()
    scene.unspent.append(fresh)
    forged = Token(
        fresh.token_type,
        secrets.token_bytes(32),
        fresh.challenge_digest,
        fresh.token_key_id,
        secrets.token_bytes(256),
    )
    scene.unspent.append(forged)
    head = RequestHead(b"CONNECT", b"", b"%b:443" % stray, b"", ())
    refused = [
        (401, scene.inner(None)),
        (401, scene.inner(forged)),
        (401, scene.inner(scene.spent[0])),
        (401, scene.inner(None, (b"authorization", b"PrivateToken token=%b" % stray))),
        (401, scene.inner(None, (b"authorization", b'PrivateToken token="' + stray))),
        (403, request(f"http://{scene.stray}:1", fresh, stray)),
        (400, scene.inner(fresh, (b"date", stray))),
        (400, scene.inner(fresh, (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"))),
        (417, scene.inner(fresh, (b"expect", b"100-continue"))),
        (400, Request(head)),
        (400, stray),
        (400, b"\x00" + stray * 3),
    ]
    for send in (client.chunked, client.one_shot):
        for status, message in refused:
            answer = await send(message)
            assert answer.head.status == status, (status, answer.head.status, answer.content)
            assert stray not in answer.content


async def have_the_target_fail(scene: "Scene", client: Client, tokens: list[Token]) -> None:
    reply = scene.reply.encode()
    said = b"X-Said: %b\r\n" % reply
    answers = [
        (404, plain(reply, status=404, fields=said)),
        (500, plain(reply, status=500, fields=said)),
        (503, plain(reply, status=503, fields=said)),
        (502, raw(b"HTTP/1.1 %b\r\n\r\n" % reply)),
        (502, raw(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % reply)),
        (502, raw(b"")),
    ]
    for send in (client.chunked, client.one_shot):
        for status, answer in answers:
            scene.target.answer = answer
            got = await send(scene.inner(scene.take(tokens)))
            assert got.head.status == status, (status, got.head.status)
    for length in (None, 1000):
        scene.target.answer = dying(reply, length=length)
        async with scene.session(client, tokens) as session:
            inner = scene.inner(None)
            async with session.send(inner.head, inner.content) as answer:
                with suppress(AnswerTruncated):
                    async for _ in answer.pieces():
                        pass
                    raise AssertionError("a cut answer ended cleanly")


async def misuse_the_issuer(scene: "Scene", client: Client) -> None:
    url = client.endpoints.issuer.token_request
    stray = scene.stray.encode()
    key = (b"authorization", b"Bearer " + scene.api_key.encode())
    for status, media_type, body, fields in [
        (401, batch.REQUEST_MEDIA_TYPE, stray, ()),
        (401, batch.REQUEST_MEDIA_TYPE, stray, ((b"authorization", b"Bearer " + stray),)),
        (401, batch.REQUEST_MEDIA_TYPE, stray, ((b"authorization", key[1] + b"x"),)),
        (401, batch.REQUEST_MEDIA_TYPE, stray, (key, key)),
        (422, batch.REQUEST_MEDIA_TYPE, stray, (key,)),
        (422, "application/private-token-request", stray, (key,)),
        (415, f"text/{scene.stray}", stray, (key,)),
        (413, batch.REQUEST_MEDIA_TYPE, stray * 100_000, (key,)),
    ]:
        outer = await post(url, body, media_type, *fields)
        assert outer.status in {status, 0 if status == 413 else status}, (status, outer)
        assert stray not in outer.body


async def misuse_the_node(scene: "Scene", client: Client) -> None:
    url = f"{client.endpoints.target.url}/v1/chat/completions"
    message = [{"role": "user", "content": scene.prompt}]
    model = client.endpoints.target.model
    for body in (
        scene.prompt.encode(),
        b'{"messages": "%b"' % scene.prompt.encode(),
        json.dumps({"model": scene.stray, "messages": message}).encode(),
        json.dumps({"model": model, "messages": message, scene.stray: scene.prompt}).encode(),
        json.dumps({"model": model, "messages": [{"role": scene.stray, "content": scene.prompt}]}).encode(),
        json.dumps({"model": model, "messages": message, "max_tokens": scene.prompt}).encode(),
        json.dumps(
            {"model": model, "messages": [{"role": "user", "content": scene.prompt * 1_000}]}
        ).encode(),
        json.dumps({"model": model, "messages": [{"role": "user", "content": scene.prompt * 900}]}).encode(),
    ):
        outer = await post(url, body, "application/json")
        assert outer.status == 0 or 400 <= outer.status < 500 or scene.stray.encode() in body, outer
    outer = await post(url, scene.prompt.encode(), f"text/{scene.stray}")
    assert outer.status == 415


async def kill_the_node(scene: "Scene", client: Client, tokens: list[Token]) -> None:
    message = {"role": "user", "content": f"Write a long story about {scene.prompt}."}
    model = client.endpoints.target.model
    async with scene.session(client, tokens) as session:
        with suppress(AnswerTruncated):
            async with aclosing(chat.stream(session, model, [message], max_tokens=500)) as pieces:
                async for _ in pieces:
                    scene.roles.processes["node"].kill()
            raise AssertionError("the answer of a killed node ended cleanly")
    away = await client.chunked(request(client.endpoints.target.url, scene.take(tokens), b"{}"))
    assert away.head.status == 502


async def _shout(port: int, data: bytes) -> None:
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(_STRANGER, 0))
        writer.write(data)
        async with asyncio.timeout(2):
            await reader.read()
        writer.close()
