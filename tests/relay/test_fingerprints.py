"""The page of fingerprints: true, the same for everybody, and nothing but a page."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from support.raw_http import fields
from support.relays import Gateway, relay_running, request

from relay.config import MirrorLimits

KEYS = b"\x00\x03\xff\xfe\xfd"


def get(extra: str = "") -> bytes:
    return f"GET /one/fingerprints HTTP/1.1\r\nHost: relay.example\r\n{extra}\r\n".encode()


class Read(HTMLParser):
    """The text of a page, its tags, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [name for name, _ in attrs if name in {"src", "href", "style"} or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_it_shows_the_digests_of_what_is_served(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(get())
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    text = "".join(Read(body.decode()).words)
    for document in (KEYS, b'{"challenge": "AAAA"}', b'{"token-keys": []}'):
        # In one piece, so that it can be searched for what sha256sum prints.
        assert hashlib.sha256(document).hexdigest() in text
    assert len(re.findall(r"The same since \d{4}-\d\d-\d\d \d\d:\d\d UTC", text)) == 3
    assert "/one/issuer-directory" in text


async def test_it_has_no_script_and_loads_nothing(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(get())
    page = Read(body.decode())
    assert not page.tags & {"script", "img", "link", "iframe", "form", "object", "a"}
    assert not page.loads
    named = fields(head)
    policy = named["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", body.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert named["content-type"] == "text/html; charset=utf-8"
    assert named["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in named


async def test_it_is_the_same_for_everybody_and_of_nobody(gateway: Gateway) -> None:
    chatter = "Cookie: id=7\r\nUser-Agent: canary-1\r\nAccept-Language: rm\r\n"
    async with relay_running(gateway.config()) as relay:
        _, plain = await relay.ask(get())
        _, other = await relay.ask(get(chatter).replace(b"relay.example", b"canary-2.example"))
        assert plain == other
        assert b"canary" not in other
        assert (await relay.ask(request(path="/one/fingerprints")))[0].startswith(b"HTTP/1.1 405 ")


async def test_it_says_where_there_is_no_copy(gateway: Gateway) -> None:
    del gateway.documents["/challenge"]
    async with relay_running(gateway.config(mirror=MirrorLimits(stale_seconds=60)), wait=False) as relay:
        while hashlib.sha256(KEYS).hexdigest()[:8].encode() not in (page := (await relay.ask(get()))[1]):
            pass
    assert page.count(b"no present copy") >= 1
