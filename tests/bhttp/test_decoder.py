from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bhttp_strategies import cut, forms, merged, requests, responses, run

from tacita.bhttp import (
    MAX_INFORMATIONAL,
    MAX_SECTION,
    Content,
    ControlDataTooLarge,
    End,
    Event,
    FieldsTooLarge,
    Form,
    Informational,
    InvalidField,
    InvalidMessage,
    InvalidPadding,
    InvalidStatus,
    OutOfOrder,
    Request,
    RequestDecoder,
    RequestHead,
    Response,
    ResponseDecoder,
    ResponseHead,
    TooManyInformational,
    Trailers,
    TruncatedMessage,
    UnexpectedFraming,
    encode_request,
    encode_response,
)
from tacita.errors import TacitaError
from tacita.wire import varint

CONTROL = b"\3GET\5https\1a\1/"
HEAD = RequestHead(b"GET", b"https", b"a", b"/")
cuts = st.lists(st.integers(0, 1 << 12), max_size=12)


def outcome(
    decoder: RequestDecoder | ResponseDecoder, pieces: Sequence[bytes]
) -> list[Event] | type[Exception]:
    try:
        return run(decoder, pieces)
    except TacitaError as error:
        return type(error)


@given(requests, forms, st.integers(0, 20), cuts)
def test_requests_cut_anywhere(message: Request, form: Form, padding: int, at: list[int]) -> None:
    data = encode_request(message, form=form, padding=padding)
    expected: list[Event] = [message.head]
    expected += [Content(message.content)] if message.content else []
    expected += [Trailers(message.trailers)] if message.trailers else []
    assert run(RequestDecoder(), cut(data, at)) == [*expected, End()]


@given(responses, forms, st.integers(0, 20), cuts)
def test_responses_cut_anywhere(message: Response, form: Form, padding: int, at: list[int]) -> None:
    data = encode_response(message, form=form, padding=padding)
    expected: list[Event] = [*message.informational, message.head]
    expected += [Content(message.content)] if message.content else []
    expected += [Trailers(message.trailers)] if message.trailers else []
    assert run(ResponseDecoder(), cut(data, at)) == [*expected, End()]


@given(st.sampled_from((b"\0", b"\1", b"\2", b"\3")), st.binary(max_size=120), cuts)
def test_garbage_has_one_outcome_however_it_is_cut(start: bytes, rest: bytes, at: list[int]) -> None:
    data = start + rest
    for kind in (RequestDecoder, ResponseDecoder):
        assert outcome(kind(), [data]) == outcome(kind(), cut(data, at))


@given(responses, forms, st.integers(0, 1 << 12), st.integers(0, 255), cuts)
def test_a_damaged_message_has_one_outcome_however_it_is_cut(
    message: Response, form: Form, at: int, byte: int, pieces: list[int]
) -> None:
    damaged = bytearray(encode_response(message, form=form))
    damaged[at % len(damaged)] = byte
    data = bytes(damaged)
    small = {"max_section": 200, "max_informational": 2}
    assert outcome(ResponseDecoder(**small), [data]) == outcome(ResponseDecoder(**small), cut(data, pieces))


@given(requests, forms, st.integers(0, 1 << 12))
def test_a_prefix_is_truncated_or_ends_in_a_permitted_place(
    message: Request, form: Form, length: int
) -> None:
    """A shorter message may say less (Section 3.8), but never anything else, and no part of it is torn."""
    data = encode_request(message, form=form)
    try:
        events = run(RequestDecoder(), [data[: length % len(data)]])
    except TruncatedMessage:
        return
    assert events[0] in (message.head, RequestHead(*_control(message)))
    assert set(events[1:-1]) <= {Content(message.content), Trailers(message.trailers)}


def _control(message: Request) -> tuple[bytes, bytes, bytes, bytes]:
    return message.head.method, message.head.scheme, message.head.authority, message.head.path


@pytest.mark.parametrize("start", [b"\0" + CONTROL + b"\0\x44\0", b"\2" + CONTROL + b"\0\x44\0"])
def test_content_is_handed_out_as_it_arrives(start: bytes) -> None:
    decoder = RequestDecoder()
    assert decoder.feed(start) == [HEAD]
    assert decoder.feed(b"abc") == [Content(b"abc")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"d") == [Content(b"d")]
    assert decoder.feed(bytes(1020)) == [Content(bytes(1020))]
    assert decoder.feed(b"\0") == []


def test_no_content_is_kept() -> None:
    piece = bytes(1 << 16)
    decoder = RequestDecoder()
    decoder.feed(b"\0" + CONTROL + b"\0" + varint.encode(64 << 20))
    for _ in range(1024):
        (event,) = decoder.feed(piece)
        assert isinstance(event, Content)
        assert event.data is piece
    assert decoder.finish() == [End()]


def test_head_is_handed_out_before_any_content() -> None:
    decoder = ResponseDecoder()
    assert decoder.feed(b"\3\x40\x67") == []
    assert decoder.feed(b"\1a\1b") == []
    assert decoder.feed(b"\0") == [Informational(103, ((b"a", b"b"),))]
    assert decoder.feed(b"\x40\xc8\0") == [ResponseHead(200)]
    assert decoder.feed(b"\2hi") == [Content(b"hi")]
    assert decoder.feed(b"\0\1c\1d") == []
    assert decoder.feed(b"\0") == [Trailers(((b"c", b"d"),))]
    assert decoder.feed(bytes(100)) == []
    assert decoder.finish() == [End()]


@pytest.mark.parametrize(
    "data",
    [
        b"\0" + CONTROL,
        b"\0" + CONTROL + b"\0",
        b"\0" + CONTROL + b"\0\0",
        b"\0" + CONTROL + b"\0\0\0",
        b"\0" + CONTROL + b"\0\0\0\0\0\0",
        b"\2" + CONTROL,
        b"\2" + CONTROL + b"\0",
        b"\2" + CONTROL + b"\0\0",
        b"\2" + CONTROL + b"\0\0\0",
        b"\x40\0" + CONTROL + b"\x40\0\x80\0\0\0\xc0\0\0\0\0\0\0\0",
        b"\x80\0\0\2\x40\3GET\x40\5https\x40\1a\x40\1/\x40\0\x40\0\x40\0",
    ],
)
def test_all_spellings_of_one_request(data: bytes) -> None:
    """Truncated, padded, or with integers that are longer than needed: the same message (Sections 3, 3.8)."""
    assert run(RequestDecoder(), [data]) == [HEAD, End()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x40",
        b"\0",
        b"\0\3GET\5https\1a",
        b"\0\3GET\5https\1a\1",
        b"\0" + CONTROL + b"\5\1a\1b",
        b"\0" + CONTROL + b"\x40",
        b"\0" + CONTROL + b"\0\2x",
        b"\0" + CONTROL + b"\0\2",
        b"\0" + CONTROL + b"\0\0\x40",
        b"\0" + CONTROL + b"\0\0\4\1a\1",
        b"\2" + CONTROL + b"\1a\1b",
        b"\2" + CONTROL + b"\0\2x",
        b"\2" + CONTROL + b"\0\2xy",
        b"\2" + CONTROL + b"\0\2xy\x40",
        b"\2" + CONTROL + b"\0\0\1a\1b",
    ],
)
def test_requests_truncated_elsewhere(data: bytes) -> None:
    with pytest.raises(TruncatedMessage):
        run(RequestDecoder(), [data])


@pytest.mark.parametrize(
    "data",
    [b"\1", b"\3", b"\1\x40", b"\1\x40\x64", b"\1\x40\x64\0", b"\3\x40\x64", b"\3\x40\x64\0"],
)
def test_responses_truncated_before_the_final_status(data: bytes) -> None:
    with pytest.raises(TruncatedMessage):
        run(ResponseDecoder(), [data])


@pytest.mark.parametrize("indicator", [b"\1", b"\3", b"\4", b"\x3f", b"\xff" * 8])
def test_framing_that_is_no_request(indicator: bytes) -> None:
    with pytest.raises(UnexpectedFraming):
        RequestDecoder().feed(indicator + CONTROL)


@pytest.mark.parametrize("indicator", [b"\0", b"\2", b"\4"])
def test_framing_that_is_no_response(indicator: bytes) -> None:
    with pytest.raises(UnexpectedFraming):
        ResponseDecoder().feed(indicator + b"\x40\xc8")


@pytest.mark.parametrize("status", [0, 1, 63, 99, 600, 999, varint.MAX])
@pytest.mark.parametrize("framing", [b"\1", b"\3"])
def test_status_out_of_range(framing: bytes, status: int) -> None:
    with pytest.raises(InvalidStatus):
        ResponseDecoder().feed(framing + varint.encode(status))


def test_trailers_follow_the_same_rules() -> None:
    for name in (b":path", b"Etag"):
        with pytest.raises(InvalidField):
            RequestDecoder().feed(b"\2" + CONTROL + b"\0\0" + varint.encode(len(name)) + name + b"\1b\0")


def test_padding_is_checked_wherever_it_is_cut() -> None:
    decoder = RequestDecoder()
    decoder.feed(b"\0" + CONTROL + bytes(10))
    decoder.feed(bytes(10))
    with pytest.raises(InvalidPadding):
        decoder.feed(b"\0\1\0")


def test_informational_responses_are_bounded() -> None:
    early = b"\x40\x67\0"
    final = b"\x40\xc8"
    events = run(ResponseDecoder(), [b"\3" + early * MAX_INFORMATIONAL + final])
    assert len(events) == MAX_INFORMATIONAL + 2
    with pytest.raises(TooManyInformational):
        ResponseDecoder().feed(b"\3" + early * (MAX_INFORMATIONAL + 1))
    with pytest.raises(TooManyInformational):
        ResponseDecoder(max_informational=0).feed(b"\3" + early)


def test_sections_and_control_data_are_bounded() -> None:
    line = b"\1a\x40\x50" + b"b" * 80
    with pytest.raises(FieldsTooLarge):
        RequestDecoder(max_section=100).feed(b"\2" + CONTROL + line)
    with pytest.raises(FieldsTooLarge):
        RequestDecoder(max_section=100).feed(b"\0" + CONTROL + varint.encode(101))
    with pytest.raises(FieldsTooLarge):
        RequestDecoder(max_section=100).feed(b"\2" + CONTROL + b"\0\0" + line)
    with pytest.raises(ControlDataTooLarge):
        RequestDecoder().feed(b"\0" + varint.encode(varint.MAX))
    with pytest.raises(ControlDataTooLarge):
        RequestDecoder(max_section=100).feed(b"\0\3GET\5https\1a\x40\x60")


def test_endless_lines_are_refused_in_bounded_memory() -> None:
    decoder = RequestDecoder()
    decoder.feed(b"\2" + CONTROL)
    # 35 counted bytes for each line.
    for _ in range(MAX_SECTION // 35):
        assert decoder.feed(b"\1a\0") == []
    with pytest.raises(FieldsTooLarge):
        decoder.feed(b"\1a\0")


def test_a_refused_message_stays_refused() -> None:
    decoder = RequestDecoder()
    with pytest.raises(InvalidMessage):
        decoder.feed(b"\7")
    with pytest.raises(OutOfOrder):
        decoder.feed(b"\0")
    with pytest.raises(OutOfOrder):
        decoder.finish()


def test_nothing_follows_the_end() -> None:
    decoder = RequestDecoder()
    decoder.feed(b"\0" + CONTROL)
    decoder.finish()
    with pytest.raises(OutOfOrder):
        decoder.feed(b"\0")
    with pytest.raises(OutOfOrder):
        decoder.finish()


def test_an_end_that_was_refused_is_an_end() -> None:
    decoder = RequestDecoder()
    with pytest.raises(TruncatedMessage):
        decoder.finish()
    with pytest.raises(OutOfOrder):
        decoder.feed(b"\0" + CONTROL)


def test_merged_joins_adjacent_content_only() -> None:
    assert merged([HEAD, Content(b"a"), Content(b"b"), End()]) == [HEAD, Content(b"ab"), End()]
