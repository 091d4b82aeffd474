"""TokenChallenge: RFC 9577's vectors, one encoding each, names and contexts as the RFC allows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors

from tacita.errors import DecodeError, TacitaError
from tacita.privacypass.challenge import MAX_ORIGINS, TokenChallenge
from tacita.privacypass.errors import ChallengeMalformed, OriginNotListed
from tacita.privacypass.token import authenticator_input

STRUCTURES = vectors.own("rfc9577.json")["structures"]


def build(vector: dict[str, Any]) -> TokenChallenge:
    origins = bytes.fromhex(vector["origin_info"]).decode()
    return TokenChallenge(
        int(vector["token_type"], 16),
        bytes.fromhex(vector["issuer_name"]).decode(),
        bytes.fromhex(vector["redemption_context"]),
        tuple(origins.split(",")) if origins else (),
    )


def check(vector: dict[str, Any]) -> None:
    challenge = build(vector)
    made = authenticator_input(
        challenge.token_type,
        bytes.fromhex(vector["nonce"]),
        challenge.digest(),
        bytes.fromhex(vector["token_key_id"]),
    )
    assert made.hex() == vector["token_authenticator_input"]
    assert TokenChallenge.decode(challenge.encode()) == challenge


@pytest.mark.parametrize("vector", STRUCTURES[:5])
def test_rfc_9577(vector: dict[str, Any]) -> None:
    check(vector)


@pytest.mark.parametrize("name", ["pp-ts-auth_scheme_token_v14.json", "pat-go-token-test-vectors.json"])
def test_other_implementations(name: str) -> None:
    for vector in vectors.shared(f"privacypass/{name}"):
        check(vector)


@pytest.mark.parametrize("length", [1, 31, 33, 64])
def test_contexts_are_empty_or_32_bytes(length: int) -> None:
    with pytest.raises(ChallengeMalformed):
        TokenChallenge(2, "issuer.example", bytes(length))


@pytest.mark.parametrize(
    "name", ["issuer.example", "issuer.example:8443", "[2001:db8::1]:443", "localhost", "a_b"]
)
def test_server_names(name: str) -> None:
    assert TokenChallenge(2, name, origin_info=(name,)).issuer_name == name


@pytest.mark.parametrize(
    "name", ["", "issuer@example", "a b", "a,b", "a/", "https://a", "é", "a:port", "a:", "a\n"]
)
def test_what_is_no_server_name(name: str) -> None:
    with pytest.raises(ChallengeMalformed):
        TokenChallenge(2, name)
    with pytest.raises(ChallengeMalformed):
        TokenChallenge(2, "issuer.example", origin_info=("a", name))


def test_bounds() -> None:
    TokenChallenge(2, "a", origin_info=("a",) * MAX_ORIGINS)
    with pytest.raises(ChallengeMalformed):
        TokenChallenge(2, "a", origin_info=("a",) * (MAX_ORIGINS + 1))
    with pytest.raises(ChallengeMalformed):
        TokenChallenge(0x10000, "a")


def test_the_origin_is_among_those_listed() -> None:
    challenge = TokenChallenge(2, "issuer.example", origin_info=("Foo.example", "bar.example:8443"))
    for name in ("foo.EXAMPLE", "foo.example:443", "bar.example:8443"):
        assert challenge.require_origin(name) is challenge
    for name in ("foo.example:8443", "bar.example", "oo.example", ""):
        with pytest.raises(OriginNotListed):
            challenge.require_origin(name)
    anywhere = TokenChallenge(2, "issuer.example")
    assert anywhere.require_origin("any.example") is anywhere


@pytest.mark.parametrize("cut", [0, 1, 2, 5, -1])
def test_truncated(cut: int) -> None:
    with pytest.raises(DecodeError):
        TokenChallenge.decode(TokenChallenge(2, "issuer.example", origin_info=("a",)).encode()[:cut])


def test_trailing() -> None:
    with pytest.raises(DecodeError):
        TokenChallenge.decode(TokenChallenge(2, "issuer.example").encode() + b"\0")


NAMES = st.from_regex(r"[a-z0-9.\-]{1,20}(:[0-9]{1,5})?", fullmatch=True)
CHALLENGES = st.builds(
    TokenChallenge,
    st.integers(0, 0xFFFF),
    NAMES,
    st.just(b"") | st.binary(min_size=32, max_size=32),
    st.lists(NAMES, max_size=4).map(tuple),
)


@given(CHALLENGES)
def test_round_trip(challenge: TokenChallenge) -> None:
    assert TokenChallenge.decode(challenge.encode()) == challenge


@given(
    st.binary(max_size=120)
    | CHALLENGES.map(TokenChallenge.encode).flatmap(
        lambda data: st.integers(0, len(data) - 1).flatmap(
            lambda place: st.integers(0, 255).map(
                lambda byte: data[:place] + bytes((byte,)) + data[place + 1 :]
            )
        )
    )
)
def test_one_encoding_each_or_an_error(data: bytes) -> None:
    try:
        challenge = TokenChallenge.decode(data)
    except TacitaError:
        return
    assert challenge.encode() == data
