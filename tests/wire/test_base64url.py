import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.wire import base64url
from tacita.wire.base64url import NotBase64Url


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg=="),
        (b"fooba", "Zm9vYmE="),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff", "-_8="),
    ],
)
def test_examples_after_rfc_4648_section_10(data: bytes, text: str) -> None:
    assert base64url.encode(data) == text
    assert base64url.decode(text) == data
    assert base64url.decode(text.rstrip("=")) == data


@given(st.binary())
def test_decode_reverses_encode(data: bytes) -> None:
    text = base64url.encode(data)
    assert text == base64.urlsafe_b64encode(data).decode()
    assert base64url.decode(text) == data
    assert base64url.decode(text.rstrip("=")) == data


@pytest.mark.parametrize(
    "text",
    [
        "Zg=",  # padding too short
        "Zg===",  # too long
        "Zm9v=",  # none is due
        "Zm9v====",
        "=",
        "====",
        "Zg==Zg==",  # padding in the middle
        "Z",  # no number of bytes has this length
        "Zm9vY",
        "Zh==",  # stray bits
        "Zh",
        "Zm9=",
        "+_8=",  # the other alphabet
        "-/8=",
        " Zm9v",
        "Zm9v\n",
        "Zm 9v",
        "Zm9v\0",
        "Zm9\u00e9",
        "\u0417m9v",  # a Cyrillic letter that looks like Latin 3
        "\ud800",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(NotBase64Url):
        base64url.decode(text)


@given(st.text(max_size=20) | st.text("ABCabc019-_=+/ ", max_size=20))
def test_garbage_has_one_spelling_or_is_an_error_of_the_tree(text: str) -> None:
    try:
        data = base64url.decode(text)
    except NotBase64Url:
        return
    assert base64url.encode(data) in (text, text + "=" * (-len(text) % 4))
