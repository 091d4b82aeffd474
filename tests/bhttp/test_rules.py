import pytest

from tacita.bhttp import Field, InvalidControlData, InvalidField, InvalidStatus
from tacita.bhttp.rules import (
    check_fields,
    check_final_status,
    check_informational_status,
    check_request_control,
)


@pytest.mark.parametrize(
    "field",
    [
        (b"", b"value"),
        (b"Host", b"value"),
        (b"a b", b"value"),
        (b"a\0", b"value"),
        (b"a\r\nb", b"value"),
        (b"a:", b"value"),
        (b"\xc3\xa9", b"value"),
        (b"a\x7f", b"value"),
        (b":method", b"GET"),
        (b":status", b"200"),
        (b":protocol", b"websocket"),
        (b"a", b"nul\0"),
        (b"a", b"cr\rx"),
        (b"a", b"lf\nx"),
        (b"a", b"\n"),
        (b"a", b" before"),
        (b"a", b"after "),
        (b"a", b"\tbefore"),
        (b"a", b"after\t"),
        (b"a", b" "),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_invalid_fields(field: Field, position: int) -> None:
    fields = [(b"first", b"1"), (b"last", b"")]
    fields.insert(position, field)
    with pytest.raises(InvalidField):
        check_fields(fields)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"a", b""),),
        ((b"a", b"in the\tmiddle"),),
        ((b"a", b"\xff\x80\x01"),),
        ((b"!#$%&'*+-.^_`|~09az", b"1"),),
        ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
        ((b"connection", b"close"), (b"transfer-encoding", b"chunked")),
    ],
)
def test_valid_fields(fields: tuple[Field, ...]) -> None:
    check_fields(fields)


@pytest.mark.parametrize(
    "control",
    [
        (b"", b"https", b"a", b"/"),
        (b"GE T", b"https", b"a", b"/"),
        (b"GET\n", b"https", b"a", b"/"),
        (b"GET", b"", b"a", b"/"),
        (b"GET", b"1http", b"a", b"/"),
        (b"GET", b"https:", b"a", b"/"),
        (b"GET", b"https", b"user@a", b"/"),
        (b"GET", b"https", b"a/b", b"/"),
        (b"GET", b"https", b"a b", b"/"),
        (b"GET", b"https", b"a\r\n", b"/"),
        (b"GET", b"https", b"a", b""),
        (b"GET", b"HTTP", b"a", b""),
        (b"GET", b"https", b"a", b"path"),
        (b"GET", b"https", b"a", b"*"),
        (b"GET", b"https", b"a", b"http://a/"),
        (b"GET", b"https", b"a", b"/ HTTP/1.1"),
        (b"GET", b"https", b"a", b"/\r\nx: y"),
        (b"GET", b"https", b"a", b"/#fragment"),
        (b"GET", b"https", b"a", b"/\xc3\xa9"),
        (b"GET", b"https", b"a", b"/\n"),
        (b"CONNECT", b"https", b"a:443", b""),
        (b"CONNECT", b"", b"a:443", b"/"),
        (b"CONNECT", b"", b"", b""),
    ],
)
def test_invalid_control_data(control: tuple[bytes, bytes, bytes, bytes]) -> None:
    with pytest.raises(InvalidControlData):
        check_request_control(*control)


@pytest.mark.parametrize(
    "control",
    [
        (b"GET", b"https", b"", b"/"),
        (b"post", b"http", b"[::1]:80", b"/a?b=c&d=%20|{}"),
        (b"OPTIONS", b"https", b"a", b"*"),
        (b"GET", b"urn", b"", b""),
        (b"CONNECT", b"", b"a:443", b""),
    ],
)
def test_valid_control_data(control: tuple[bytes, bytes, bytes, bytes]) -> None:
    check_request_control(*control)


def test_status_ranges() -> None:
    for status in (200, 404, 599):
        check_final_status(status)
        with pytest.raises(InvalidStatus):
            check_informational_status(status)
    for status in (100, 103, 199):
        check_informational_status(status)
        with pytest.raises(InvalidStatus):
            check_final_status(status)
    for status in (0, 99, 600, 1 << 40):
        with pytest.raises(InvalidStatus):
            check_informational_status(status)
        with pytest.raises(InvalidStatus):
            check_final_status(status)
