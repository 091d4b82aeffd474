import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.ohttp.framing import MAX_CHUNK, ChunkSplitter, InvalidChunk, MissingFinalChunk, frame, frame_final

LONGEST = MAX_CHUNK + 16

chunk_lists = st.lists(st.binary(min_size=17, max_size=200), max_size=5)
finals = st.binary(min_size=16, max_size=200)


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(chunks=chunk_lists, final=finals, cuts=st.lists(st.integers(min_value=0), max_size=8))
def test_any_cut_gives_the_same_chunks(chunks: list[bytes], final: bytes, cuts: list[int]) -> None:
    stream = b"".join(map(frame, chunks)) + frame_final(final)
    splitter = ChunkSplitter()
    assert [chunk for piece in split(stream, cuts) for chunk in splitter.feed(piece)] == chunks
    assert splitter.finish() == final


@given(chunks=chunk_lists, final=finals)
def test_byte_by_byte(chunks: list[bytes], final: bytes) -> None:
    splitter = ChunkSplitter()
    stream = b"".join(map(frame, chunks)) + frame_final(final)
    assert [chunk for byte in stream for chunk in splitter.feed(bytes([byte]))] == chunks
    assert splitter.finish() == final


@given(garbage=st.binary(max_size=400))
def test_garbage_is_split_or_refused(garbage: bytes) -> None:
    splitter = ChunkSplitter()
    try:
        chunks = splitter.feed(garbage)
        final = splitter.finish()
    except (InvalidChunk, MissingFinalChunk):
        return
    assert sum(map(len, [*chunks, final])) < len(garbage)


@pytest.mark.parametrize("length", ["1d", "401d", "8000001d", "c00000000000001d"])
def test_lengths_may_be_written_longer_than_needed(length: str) -> None:
    assert ChunkSplitter().feed(bytes.fromhex(length) + bytes(29)) == [bytes(29)]


@pytest.mark.parametrize("zero", ["00", "4000", "80000000", "c000000000000000"])
def test_the_final_indicator_too(zero: str) -> None:
    splitter = ChunkSplitter()
    assert splitter.feed(bytes.fromhex(zero) + bytes(16)) == []
    assert splitter.finish() == bytes(16)


@pytest.mark.parametrize("length", [LONGEST + 1, 1 << 20, (1 << 62) - 1, *range(1, 17)])
def test_impossible_lengths_are_refused_before_the_chunk(length: int) -> None:
    prefix = (length | 3 << 62).to_bytes(8, "big")
    splitter = ChunkSplitter()
    assert splitter.feed(prefix[:7]) == []
    with pytest.raises(InvalidChunk):
        splitter.feed(prefix[7:])


def test_the_longest_chunk() -> None:
    longest = bytes(LONGEST)
    assert ChunkSplitter().feed(frame(longest)) == [longest]


def test_the_longest_final_chunk() -> None:
    splitter = ChunkSplitter()
    splitter.feed(frame_final(bytes(LONGEST)))
    assert len(splitter.finish()) == LONGEST
    with pytest.raises(InvalidChunk):
        splitter.feed(b"\0")


@pytest.mark.parametrize("size", range(16))
def test_a_final_chunk_has_a_tag(size: int) -> None:
    splitter = ChunkSplitter()
    splitter.feed(frame_final(bytes(size)))
    with pytest.raises(InvalidChunk):
        splitter.finish()


@pytest.mark.parametrize("stream", [b"", b"\x40", b"\x1d" + bytes(28), b"\x1d" + bytes(29)])
def test_no_final_chunk(stream: bytes) -> None:
    splitter = ChunkSplitter()
    splitter.feed(stream)
    with pytest.raises(MissingFinalChunk):
        splitter.finish()


def test_holds_at_most_one_chunk() -> None:
    splitter = ChunkSplitter()
    stream = frame(bytes(LONGEST)) * 8
    for start in range(0, len(stream), 1000):
        splitter.feed(stream[start : start + 1000])
        assert len(splitter._buffer) <= LONGEST
