import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import TacitaError
from tacita.wire.sse import DONE, EventDecoder, EventError, EventTooLong, encode

texts = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]))


def decode(data: bytes, size: int = 65_536) -> list[str]:
    decoder = EventDecoder()
    events = [e for start in range(0, len(data), size) for e in decoder.feed(data[start : start + size])]
    decoder.finish()
    return events


def test_what_openai_clients_expect() -> None:
    assert encode('{"a":1}') == b'data: {"a":1}\n\n'
    assert encode(DONE) == b"data: [DONE]\n\n"


@given(st.lists(texts), st.integers(1, 9))
def test_round_trip_in_pieces_of_any_size(events: list[str], size: int) -> None:
    assert decode(b"".join(map(encode, events)), size) == events


lines = st.sampled_from([b"data: a", b"data:b", b":", b"id: 1", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf"])


@given(st.lists(lines))
def test_pieces_make_no_difference(parts: list[bytes]) -> None:
    data = b"".join(parts) + b"\n\n"
    assert decode(data, 1) == decode(data)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_the_three_ends_of_a_line(end: bytes) -> None:
    assert decode(end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])) == ["a\nb", "c"]


def test_comments_other_fields_and_a_byte_order_mark_are_skipped() -> None:
    assert decode(b"\xef\xbb\xbfdata: a\n: ping\nid: 7\nretry: 1\nfoo\n\n: nothing\n\n") == ["a"]


def test_only_one_space_is_removed() -> None:
    assert decode(b"data:  a\n\ndata:b\n\ndata\n\n") == [" a", "b", ""]


@pytest.mark.parametrize("cut", [b"data: a", b"data: a\n"])
def test_a_stream_that_is_cut_off(cut: bytes) -> None:
    decoder = EventDecoder()
    assert decoder.feed(encode("whole") + cut) == ["whole"]
    with pytest.raises(EventError):
        decoder.finish()


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"data: 1234567\n" * 20])
def test_an_event_is_bounded(data: bytes) -> None:
    with pytest.raises(EventTooLong):
        EventDecoder(limit=100).feed(data)


@given(st.binary())
def test_bytes_are_events_or_an_error_of_the_tree(data: bytes) -> None:
    try:
        events = decode(data, 3)
    except TacitaError:
        return
    assert all(isinstance(event, str) for event in events)


def test_invalid_text_is_an_error() -> None:
    with pytest.raises(EventError):
        EventDecoder().feed(b"data: \xff\n\n")


def test_a_carriage_return_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="carriage return"):
        encode("a\rb")
