"""How a stream is cut into segments changes nothing, and garbage neither raises nor hangs."""

import asyncio
import itertools

from fuzz import lane as target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CONTENT = st.binary(max_size=30)


def _length(path: bytes, content: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (path, len(content), content)


def _chunks(path: bytes, content: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    return head + (b"%x\r\n%b\r\n" % (len(content), content) if content else b"") + b"0\r\n\r\n"


# Not the path whose handler depends on what came with the head.
PATHS = st.sampled_from([b"/a", b"/a?b", b"/b", b"/elsewhere"])
SOUND = st.one_of(st.builds(_length, PATHS, CONTENT), st.builds(_chunks, PATHS, CONTENT))
ODD = st.sampled_from(
    [
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\ncut",
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n+1\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nFolded: a\r\n b\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 17_000,
        b"\r\n",
        b"\x16\x03\x01",
        b"post",
        b"POST",
    ]
)


def _comparable(written: bytes) -> list[bytes]:
    """Return the lines of `written` but for the time, and for whether a fault was known at the head."""
    lines = written.split(b"\r\n")
    return [line for line in lines if not line.startswith(b"Date: ") and line != b"Connection: close"]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.one_of(SOUND, SOUND, ODD), min_size=1, max_size=5),
    st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=10),
)
def test_cuts_change_nothing(messages: list[bytes], places: list[int]) -> None:
    data = b"".join(messages)
    stops = [0, *sorted(place % len(data) for place in places), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(stops) if a < b]
    whole, whole_ended = asyncio.run(target.converse([data]))
    cut, cut_ended = asyncio.run(target.converse(parts))
    assert _comparable(cut) == _comparable(whole)
    assert cut_ended == whole_ended


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            SOUND,
            ODD,
            st.sampled_from(
                [b"POST /c HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"\r\n\r\n", b"5\r\n", b"0\r\n"]
            ),
        ),
        max_size=8,
    ),
    st.binary(min_size=1, max_size=1),
)
def test_garbage_neither_raises_nor_hangs(fragments: list[bytes], cut: bytes) -> None:
    target.one(cut + b"".join(fragments))


def test_what_is_handed_over_are_all_bytes_of_the_request_and_of_those_behind_it() -> None:
    first = _length(b"/a", b"mine")
    theirs = _length(b"/elsewhere", b"theirs") + _length(b"/a", b"theirs too")
    for data in ([theirs], [theirs[:5], theirs[5:50], theirs[50:]]):
        written, ended = asyncio.run(target.converse([first, *data]))
        mine, _, handed = written.partition(target.MARK)
        assert mine.endswith(b"\r\n\r\nmine")
        assert handed == theirs
        assert not ended


def test_a_thousand_requests_in_one_segment_are_answered_in_their_order() -> None:
    data = b"".join(_length(b"/a" if i % 2 else b"/c", b"%d," % i) for i in range(1000))
    written, _ = asyncio.run(target.converse([data]))
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in written.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"%d," % i for i in range(1000)]
