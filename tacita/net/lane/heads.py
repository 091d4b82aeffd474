"""The head of a request: parsed by llhttp in its strict mode, and judged here.

*Strategy.* The connection looks for the empty line and hands over exactly the head, so that there is
one place in the stream at which the content begins, whatever a parser would have made of the rest. llhttp
refuses by itself what is not RFC 9112 (bare CR or LF, folded lines, NUL and other control bytes, a
space before the colon, two lengths, a length beside a transfer coding); it parses nothing but this
head and is thrown away. What it lets pass and we do not is refused below.

The outcome is one of three: a `Head` for the lane, `HeadMalformed`, or None: a sound head that the
lane has no business with (another path or method, HTTP/1.0, an expectation, an upgrade, a transfer
coding that we do not know). There is one refusal for everything, so that how a stream was cut into
segments, which decides what is noticed first, cannot be told from the answer.
"""

import re
from dataclasses import dataclass
from typing import Any

import httptools

from tacita.net.lane.limits import Limits
from tacita.net.message import Fields, Handler, HeadMalformed, Routes

__all__ = ["Head", "Heads", "check_fields", "refusal", "unfinished_is_hopeless"]

# The authority of RFC 3986 without user information. A Host of "a, b", "a/b" or "a b" is read in
# different ways by different parsers.
_HOST = re.compile(rb"[0-9A-Za-z._~%!$&'()*+,;=\[\]:-]+")

# llhttp also takes several spaces, and lines without a version (HTTP/0.9).
_LINE = re.compile(rb"[A-Z-]+ ([!-~]+) HTTP/1\.([01])\r\n")

_TOKENS = re.compile(rb"[ \t]*,[ \t]*")

_BARE = re.compile(rb"\r(?![\n])|(?<!\r)\n")


@dataclass(slots=True)
class Head:
    """A request that the lane serves."""

    handler: Handler
    path: str
    target: bytes
    fields: Fields
    length: int | None
    """Of the content; None where it is chunked."""
    keep: bool
    """Whether the peer means to send another request."""
    plan: Any = None
    """What the handler has made of it."""


class _Parsed:
    """What llhttp calls."""

    __slots__ = ("complete", "fields")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


class Heads:
    """Reads heads of requests for the paths in `routes`."""

    def __init__(self, routes: Routes, limits: Limits) -> None:
        self._find = routes if callable(routes) else routes.get
        self._change = callable(routes)
        self._limits = limits

    def read(self, data: bytes) -> Head | None:
        """Return the head that `data`, up to and with the empty line, is; None: it is not for the lane.

        Raises:
            HeadMalformed
        """
        line = _LINE.match(data)
        if line is None:
            raise refusal()
        parsed = _Parsed()
        parser = httptools.HttpRequestParser(parsed)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return None
        except httptools.HttpParserError:
            # An unknown method or version, or a foreign transfer coding, is as malformed to llhttp
            # as it is to aiohttp, which has the same parser.
            raise refusal() from None
        if not parsed.complete or len(parsed.fields) > self._limits.head_fields:
            raise refusal()
        if line[2] != b"1":
            return None
        return self._judge(line[1], tuple(parsed.fields), is_post=data.startswith(b"POST "))

    def holds(self, head: Head) -> bool:
        """Say whether `head`, read some time ago, would be the same today: routes may have changed."""
        return not self._change or self._find(head.path) == head.handler

    def _judge(self, target: bytes, fields: Fields, *, is_post: bool) -> Head | None:
        check_fields(fields)
        if not target.startswith(b"/"):
            # Absolute-form, which names a second host; asterisk- and authority-form name no path of ours.
            raise refusal()
        path = target.partition(b"?")[0].decode("ascii")
        handler = self._find(path)
        if handler is None or not is_post:
            return None
        length: int | None = 0
        keep = True
        for name, value in fields:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    return None
                length = None
            elif name in (b"expect", b"upgrade"):
                return None
            elif name == b"connection":
                # Not what the parser says: where there is no content it has forgotten by now.
                keep = keep and b"close" not in _TOKENS.split(value.lower())
        return Head(handler, path, target, fields, length, keep)


def check_fields(fields: Fields) -> None:
    """Refuse what a sound parser may let pass: no Host or several, or one that is no authority.

    Raises:
        HeadMalformed
    """
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None:
        raise refusal()


def unfinished_is_hopeless(data: bytes, limits: Limits) -> bool:
    """Say whether `data`, which has no empty line yet, cannot become a head any more."""
    if len(data) > limits.head_bytes:
        return True
    bare = _BARE.search(data)
    # A CR at the end may still get its LF.
    return bare is not None and not (bare.end() == len(data) and data.endswith(b"\r"))


def refusal() -> HeadMalformed:
    """Return the one refusal of a head."""
    return HeadMalformed("The head of the request is malformed or too long.")
