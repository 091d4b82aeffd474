"""Frames over a real pipe: what goes in comes out, and nothing else is taken."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.signers.frames import MAX_FRAME, Broken, Kind, read_frame, write_frame


class Pipe:
    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()

    def close(self) -> None:
        for end in (self.reads, self.writes):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@given(kind=st.sampled_from(Kind), content=st.binary(max_size=4000))
def test_round_trip(kind: Kind, content: bytes) -> None:
    pipe = Pipe()
    write_frame(pipe.writes, kind, content)
    assert read_frame(pipe.reads) == (kind, content)
    pipe.close()


@given(st.binary(max_size=40))
@settings(max_examples=300)
def test_other_bytes_are_a_frame_or_broken(data: bytes) -> None:
    pipe = Pipe()
    os.write(pipe.writes, data)
    os.close(pipe.writes)
    try:
        kind, content = read_frame(pipe.reads)
    except Broken:
        return
    finally:
        os.close(pipe.reads)
    frame = (1 + len(content)).to_bytes(4, "big") + bytes((kind,)) + content
    assert data.startswith(frame)


def test_a_frame_has_a_bound(pipe: Pipe) -> None:
    os.write(pipe.writes, (MAX_FRAME + 1).to_bytes(4, "big") + bytes((Kind.OK,)))
    with pytest.raises(Broken):
        read_frame(pipe.reads)


def test_nobody_there(pipe: Pipe) -> None:
    os.close(pipe.reads)
    with pytest.raises(Broken):
        write_frame(pipe.writes, Kind.OK)


def test_nothing_comes_in_time(pipe: Pipe) -> None:
    with pytest.raises(Broken):
        read_frame(pipe.reads, seconds=0.01)


def test_nothing_goes_in_time(pipe: Pipe) -> None:
    os.set_blocking(pipe.writes, False)
    with pytest.raises(Broken):
        write_frame(pipe.writes, Kind.OK, bytes(1 << 20), seconds=0.01)
