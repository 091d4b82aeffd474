"""Copies of documents, and what can be said of bytes that the relay cannot read."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from relay.document import Copy, allows, are_keys
from tacita.net.documents import Document


def test_what_is_left_of_the_life_is_passed_on() -> None:
    copy = Copy(Document(b"keys", "application/ohttp-keys", 60), fetched_at=5.0)
    request = make_mocked_request("GET", "/gateway/keys")
    ages = [copy.answer(request, now).headers["Cache-Control"] for now in (5.0, 35.5, 64.0, 65.0, 1000.0)]
    assert ages == [f"public, max-age={left}, no-transform" for left in (60, 29, 1, 0, 0)]
    assert copy.expires_at == 65.0


@pytest.mark.parametrize("keys", [b"\x00\x01k", b"\x00\x01k\x00\x02ey", b"\x01\x00" + bytes(256)])
def test_keys_are_items_behind_their_lengths(keys: bytes) -> None:
    assert are_keys(keys)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\x01kk", b"\x00\x01k\x00", b"<!DOCTYPE html>", b"{}"],
)
def test_what_has_another_form_is_no_list_of_keys(body: bytes) -> None:
    assert not are_keys(body)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1))
def test_any_list_of_items_has_the_form(items: list[bytes]) -> None:
    whole = b"".join(len(item).to_bytes(2) + item for item in items)
    assert are_keys(whole)
    assert not are_keys(whole[:-1])


BIP77 = "BIP77 454403bb-9f7b-4385-b31f-acd2dae20b7e"


def purposes(*items: str, count: int | None = None) -> bytes:
    listed = b"".join(bytes([len(item)]) + item.encode() for item in items)
    return (len(items) if count is None else count).to_bytes(2) + listed


def test_a_purpose_is_allowed_where_it_is_listed() -> None:
    assert purposes(BIP77) == b"\x00\x01\x2a" + BIP77.encode()
    assert allows(purposes(BIP77), [BIP77])
    assert allows(purposes("one", "", BIP77), ["other", BIP77])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        purposes(),
        purposes("other"),
        purposes(BIP77 + " "),
        purposes(BIP77, count=2),
        purposes(BIP77, count=0),
        purposes(BIP77)[:-1],
        purposes(BIP77) + b"\x00",
        BIP77.encode(),
    ],
)
def test_anything_else_allows_nothing(body: bytes) -> None:
    assert not allows(body, [BIP77])


@given(st.binary())
def test_no_bytes_are_a_mistake(body: bytes) -> None:
    are_keys(body)
    allows(body, [BIP77])
