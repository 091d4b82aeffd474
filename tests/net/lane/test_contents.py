"""Content out of its framing: any cut gives the same, llhttp agrees, and tricks with sizes are refused."""

import itertools

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.net.lane.contents import ByLength, Chunked, Content


def taken(content: Content, parts: list[bytes]) -> tuple[bytes, bytes | None]:
    """Feed `parts`; return the content, and what followed its end."""
    got, rest = b"", None
    for part in parts:
        if rest is None:
            pieces, rest = content.feed(part)
            assert all(pieces)
            got += b"".join(pieces)
        else:
            rest += part
    return got, rest


def cut(data: bytes, places: list[int]) -> list[bytes]:
    stops = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(stops) if a < b]


CUTS = st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=12)
ENDS = st.sampled_from([b"", b"Trailing: 1\r\n", b"A:\r\nb: c\r\n"])
EXTENSIONS = st.sampled_from([b"", b";x=y", b';a="b c"'])


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), EXTENSIONS)), ENDS, st.binary(max_size=9), CUTS)
def test_chunks_give_their_content_however_they_are_cut(
    chunks: list[tuple[bytes, bytes]], trailers: bytes, after: bytes, places: list[int]
) -> None:
    wire = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk, extension in chunks)
    data = wire + b"0\r\n" + trailers + b"\r\n" + after
    assert taken(Chunked(), cut(data, places)) == (b"".join(chunk for chunk, _ in chunks), after)


@given(st.binary(max_size=40), st.integers(min_value=0, max_value=40), CUTS)
def test_a_length_takes_so_many_bytes_however_they_are_cut(
    data: bytes, length: int, places: list[int]
) -> None:
    got, rest = taken(ByLength(length), cut(data, places))
    assert got == data[:length]
    assert rest == (data[length:] if len(data) >= max(length, 1) else None)


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"0",
            b"1",
            b"3",
            b"a",
            b"A",
            b"\r\n",
            b"\r",
            b"\n",
            b";",
            b" ",
            b"x",
            b"abc",
            b"+",
            b"0x",
            b":",
            b"-",
        ]
    ),
    max_size=14,
)


class _Oracle:
    """What llhttp makes of a chunked body."""

    def __init__(self) -> None:
        self.content = b""
        self.ended = False

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.ended = True


@given(FRAGMENTS, CUTS)
def test_what_we_take_llhttp_takes_too_and_for_the_same(fragments: list[bytes], places: list[int]) -> None:
    data = b"".join(fragments)
    ours = Chunked()
    content, rest = taken(ours, cut(data, places))
    whole = Chunked()
    assert (taken(whole, [data] if data else []), whole.broken) == ((content, rest), ours.broken)
    if rest is None:
        return
    oracle = _Oracle()
    parser = httptools.HttpRequestParser(oracle)
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    parser.feed_data(data[: len(data) - len(rest)])
    assert (oracle.content, oracle.ended) == (content, True)


@pytest.mark.parametrize(
    "wire",
    [
        b"0x3\r\nabc\r\n",
        b"+3\r\nabc\r\n",
        b"-3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"3 ;x\r\nabc\r\n",
        b"\t3\r\nabc\r\n",
        b"3_0\r\nabc\r\n",
        b"\r\nabc\r\n",
        b";x\r\nabc\r\n",
        b"g\r\nabc\r\n",
        b"3\nabc\r\n\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nab\r\n\r\n",
        b"3;a\nb\r\nabc\r\n",
        b"3;a\x00\r\nabc\r\n",
        b"3;a\x7f\r\nabc\r\n",
        b"3;a\xff\r\nabc\r\n",
        b"10000000\r\n",
        b"ffffffffffffffff\r\n",
        b"00000003\r\nabc\r\n",
        b"3;" + b"x" * 300 + b"\r\n",
        b"3" * 300,
        b"0\r\nTrailing : x\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nA: b\nC: d\r\n\r\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 1000,
        b"0\r\n" + b"A" * 5000,
    ],
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_two_parsers_could_read_differently_is_broken_for_good(wire: bytes, one_by_one: bool) -> None:
    content = Chunked()
    got, rest = taken(content, [wire[i : i + 1] for i in range(len(wire))] if one_by_one else [wire])
    assert content.broken
    assert rest is None
    assert content.feed(b"0\r\n\r\n") == ([], None)
    assert got in {b"", b"a", b"abc", b"ab\r"}


def test_all_extensions_together_are_bounded() -> None:
    content = Chunked()
    chunk = b"1;" + b"x" * 200 + b"\r\na\r\n"
    for _ in range(200):
        content.feed(chunk)
    assert content.broken
    content = Chunked()
    for _ in range(2000):
        content.feed(b"1;x=y\r\na\r\n")
    assert not content.broken
