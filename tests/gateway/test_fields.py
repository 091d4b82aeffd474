"""What of a message may cross the gateway, as functions on bytes."""

import pytest
from hypothesis import given
from support.bhttp_strategies import request_heads

from gateway.errors import BadInnerMessage, BadTargetAnswer, ExpectationRefused
from gateway.fields import (
    as_trailers,
    check_request,
    content_length,
    end_to_end,
    from_target,
    http_date,
    to_target,
    values,
)
from tacita.bhttp import Field, RequestHead
from tacita.errors import TacitaError


def head(
    *fields: Field, method: bytes = b"GET", authority: bytes = b"a.example", path: bytes = b"/"
) -> RequestHead:
    return RequestHead(method, b"https", authority, path, fields)


@pytest.mark.parametrize("method", [b"CONNECT", b"connect", b"Connect", b"get", b"Post"])
def test_connect_and_methods_that_would_be_changed_are_refused(method: bytes) -> None:
    with pytest.raises(BadInnerMessage):
        check_request(head(method=method))


@pytest.mark.parametrize("path", [b"", b"*", b"https://b.example/", b"b.example:80", b"/" + b"a" * 8000])
def test_what_is_no_path_is_refused(path: bytes) -> None:
    with pytest.raises(BadInnerMessage):
        check_request(head(path=path))


@pytest.mark.parametrize("value", [b"100-continue", b"", b"x"])
def test_expect_is_refused(value: bytes) -> None:
    with pytest.raises(ExpectationRefused):
        check_request(head((b"expect", value)))


@pytest.mark.parametrize(
    ("authority", "hosts"),
    [
        (b"", []),
        (b"a.example", [b"b.example"]),
        (b"a.example", [b""]),
        (b"a.example", [b"a.example", b"a.example"]),
        (b"", [b"a.example", b"b.example"]),
    ],
)
def test_no_or_contradictory_authority_is_refused(authority: bytes, hosts: list[bytes]) -> None:
    with pytest.raises(BadInnerMessage):
        check_request(head(*((b"host", host) for host in hosts), authority=authority))


def test_host_stands_in_for_a_missing_authority_and_its_case_does_not_matter() -> None:
    assert check_request(head((b"host", b"A.example"))).authority == b"a.example"
    assert check_request(head((b"host", b"b.example"), authority=b"")).authority == b"b.example"


@pytest.mark.parametrize(
    "value", [b"\x01", b"a\x0bb", b"\x7f", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\x8a", b"\xff"]
)
def test_a_value_that_cannot_be_written_as_it_is_is_refused(value: bytes) -> None:
    with pytest.raises(BadInnerMessage):
        check_request(head((b"x-name", value)))


def test_values_that_are_utf_8_or_hold_a_tab_pass_exactly() -> None:
    fields = ((b"x-name", "café 🜚".encode()), (b"x-tab", b"a\tb"))
    checked = check_request(head(*fields))
    passed = to_target(checked, checked.fields)
    assert passed[1:] == list(fields)


@pytest.mark.parametrize("value", [b"-1", b"+1", b"1, 1", b"0x1", b"1 1", b"", b"1" * 16, b"\xd9\xa1"])
def test_a_content_length_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(BadInnerMessage):
        content_length(((b"content-length", value),))


def test_content_length_is_read_once() -> None:
    assert content_length(()) is None
    assert content_length(((b"content-length", b"007"),)) == 7
    with pytest.raises(BadInnerMessage):
        content_length(((b"content-length", b"1"), (b"content-length", b"1")))


@pytest.mark.parametrize(
    "date",
    [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"],
)
def test_the_three_forms_of_a_date_are_the_same_time(date: bytes) -> None:
    assert http_date(date) == 784111777


@pytest.mark.parametrize(
    "date", [b"", b"now", b"Sun, 06 Nov 1994 08:49:37 +0100", b"784111777", b"Sun, 99 Nov 1994 08:49:37 GMT",
             b"Sun, 06 Nov 99994 08:49:37 GMT", b"\xff"]
)  # fmt: skip
def test_what_is_no_date_is_refused(date: bytes) -> None:
    with pytest.raises(BadInnerMessage):
        http_date(date)


def test_fields_about_the_connection_stop_and_others_keep_order_and_repetitions() -> None:
    fields = (
        (b"x-a", b"1"),
        (b"connection", b"close, X-Named"),
        (b"keep-alive", b"5"),
        (b"proxy-connection", b"close"),
        (b"te", b"trailers"),
        (b"trailer", b"x"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"x"),
        (b"proxy-authorization", b"x"),
        (b"proxy-authenticate", b"x"),
        (b"connection", b"other"),
        (b"x-named", b"x"),
        (b"other", b"x"),
        (b"x-b", b"2"),
        (b"x-a", b"3"),
    )
    assert end_to_end(fields) == ((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))


def test_host_is_written_once_and_first() -> None:
    checked = check_request(head((b"host", b"a.example"), (b"x", b"1"), (b"connection", b"host")))
    assert to_target(checked, checked.fields) == [(b"Host", b"a.example"), (b"x", b"1")]


def test_an_answer_keeps_set_cookie_apart() -> None:
    received = ((b"set-cookie", b"a=1"), (b"x-time", b"1"), (b"set-cookie", b"b=2"))
    assert from_target(received) == received


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b""])
def test_an_answer_in_another_transfer_coding_is_refused(coding: bytes) -> None:
    with pytest.raises(BadTargetAnswer):
        from_target(((b"transfer-encoding", coding),))


def test_the_transfer_coding_of_an_answer_stops_here() -> None:
    received = ((b"transfer-encoding", b"Chunked"), (b"x", b"1"))
    assert from_target(received) == ((b"x", b"1"),)


def test_what_must_not_be_merged_into_a_head_is_no_trailer() -> None:
    dropped = [b"content-length", b"host", b"authorization", b"transfer-encoding", b"set-cookie", b"trailer"]
    fields = ((b"x-sum", b"1"), *((name, b"x") for name in dropped), (b"x-sum", b"2"))
    assert as_trailers(fields) == ((b"x-sum", b"1"), (b"x-sum", b"2"))


@given(request_heads)
def test_every_valid_head_is_forwarded_exactly_or_refused(valid: RequestHead) -> None:
    try:
        checked = check_request(valid)
    except TacitaError:
        return
    assert checked.method == valid.method.upper()
    passed = to_target(checked, checked.fields)
    assert passed[0] == (b"Host", checked.authority)
    kept = [field for field in end_to_end(valid.fields) if field[0] != b"host"]
    assert passed[1:] == kept
    assert not any(b"\r" in value or b"\n" in value for _, value in passed)
    assert values(valid.fields, b"expect") == []
