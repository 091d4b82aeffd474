"""The issuer directory: one form written, strict reading, the key that is to be used."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import TacitaError
from tacita.privacypass.directory import MAX_KEYS, MAX_SIZE, IssuerDirectory, TokenKey
from tacita.privacypass.errors import DirectoryMalformed, NoUsableKey

URI = "https://issuer.example.net/request"
DIRECTORY = IssuerDirectory(URI, (TokenKey(2, b"new", 1686913811), TokenKey(2, b"old"), TokenKey(1, b"x", 5)))


def test_the_bytes_are_always_the_same() -> None:
    assert DIRECTORY.to_json() == (
        b'{"issuer-request-uri":"https://issuer.example.net/request","token-keys":['
        b'{"token-type":2,"token-key":"bmV3","not-before":1686913811},'
        b'{"token-type":2,"token-key":"b2xk"},'
        b'{"token-type":1,"token-key":"eA==","not-before":5}]}'
    )
    assert IssuerDirectory.from_json(DIRECTORY.to_json()) == DIRECTORY


def test_the_first_key_that_may_be_used() -> None:
    assert DIRECTORY.current_key(2, 1686913810).public_key == b"old"
    assert DIRECTORY.current_key(2, 1686913811).public_key == b"new"
    assert DIRECTORY.current_key(1, 5).public_key == b"x"
    for token_type, now in ((1, 4), (5, 10)):
        with pytest.raises(NoUsableKey):
            DIRECTORY.current_key(token_type, now)


def test_unknown_members_are_ignored_and_padding_may_be_missing() -> None:
    found = IssuerDirectory.from_json(
        b'{"x":{"y":[null]},"issuer-request-uri":"/request","token-keys":'
        b'[{"token-type":2,"token-key":"eA","more":1.5}]}'
    )
    assert found == IssuerDirectory("/request", (TokenKey(2, b"x"),))


def document(**changes: Any) -> dict[str, Any]:
    key = {"token-type": 2, "token-key": "eA=="}
    key.update(changes.pop("key", {}))
    return {"issuer-request-uri": URI, "token-keys": [key]} | changes


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 60_000,
        b'{"token-keys":NaN}',
        b'{"issuer-request-uri":"/a","issuer-request-uri":"/b","token-keys":[]}',
        b'{"issuer-request-uri":"/a","token-keys":[{"token-type":2,"token-type":2,"token-key":"eA=="}]}',
        b'{"issuer-request-uri":"/a","token-keys":[1]}',
        b'{"issuer-request-uri":"/a","token-keys":[{"token-type":' + b"9" * 5000 + b',"token-key":"eA=="}]}',
        json.dumps(document()).encode() + b"x",
        b" " * (MAX_SIZE + 1),
    ],
)
def test_what_is_no_directory(data: bytes) -> None:
    with pytest.raises(DirectoryMalformed):
        IssuerDirectory.from_json(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer-request-uri": ""},
        {"issuer-request-uri": "/a b"},
        {"issuer-request-uri": "/\u00e9"},
        {"issuer-request-uri": "/a\n"},
        {"issuer-request-uri": 1},
        {"token-keys": {}},
        {"key": {"token-type": True}},
        {"key": {"token-type": -1}},
        {"key": {"token-type": 0x10000}},
        {"key": {"token-type": "2"}},
        {"key": {"token-key": ""}},
        {"key": {"token-key": "a+b="}},
        {"key": {"token-key": "A" * 6000}},
        {"key": {"not-before": -1}},
        {"key": {"not-before": 1.5}},
        {"key": {"not-before": None}},
        {"key": {"not-before": 1 << 60}},
        {"token-keys": [{"token-type": 2, "token-key": "eA=="}] * 2},
        {"token-keys": [{"token-type": 2, "token-key": "eA=="}, {"token-type": 2, "token-key": "eA"}]},
    ],
)
def test_members_that_are_wrong(changes: dict[str, Any]) -> None:
    IssuerDirectory.from_json(json.dumps(document()).encode())
    with pytest.raises(DirectoryMalformed):
        IssuerDirectory.from_json(json.dumps(document(**changes)).encode())


def test_one_key_may_serve_two_types_and_keys_are_bounded() -> None:
    IssuerDirectory(URI, (TokenKey(2, b"x"), TokenKey(1, b"x")))
    with pytest.raises(DirectoryMalformed):
        IssuerDirectory(URI, tuple(TokenKey(number, b"x") for number in range(MAX_KEYS + 1)))


KEYS = st.builds(
    TokenKey, st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=40), st.none() | st.integers(0, 1 << 40)
)
DIRECTORIES = st.builds(
    IssuerDirectory,
    st.from_regex(r"https://[a-z.]{1,10}/[!-;=?\[\]~%0-9]{0,10}", fullmatch=True).filter(
        lambda uri: '"' not in uri
    ),
    st.lists(KEYS, max_size=5, unique_by=lambda key: (key.token_type, key.public_key)).map(tuple),
)


@given(DIRECTORIES)
def test_round_trip(directory: IssuerDirectory) -> None:
    assert IssuerDirectory.from_json(directory.to_json()) == directory


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["issuer-request-uri", "token-keys", "token-type", "token-key", "not-before"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_an_error_of_the_tree(data: bytes) -> None:
    with contextlib.suppress(TacitaError):
        IssuerDirectory.from_json(data)
