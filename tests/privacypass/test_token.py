"""Token: as long as its type says, one encoding, and nothing of it in print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors

from tacita.errors import DecodeError, TacitaError
from tacita.privacypass.errors import TokenMalformed
from tacita.privacypass.token import AUTHENTICATOR_LENGTHS, Token

FIELD = st.binary(min_size=32, max_size=32)
TOKENS = st.sampled_from(sorted(AUTHENTICATOR_LENGTHS.items())).flatmap(
    lambda entry: st.builds(
        Token, st.just(entry[0]), FIELD, FIELD, FIELD, st.binary(min_size=entry[1], max_size=entry[1])
    )
)


def test_rfc_9578() -> None:
    for vector in vectors.own("rfc9578.json")["vectors"]:
        token = Token.decode(bytes.fromhex(vector["token"]))
        assert token.encode().hex() == vector["token"]
        assert token.nonce.hex() == vector["nonce"]


def test_greased_tokens_are_refused() -> None:
    greased = vectors.own("rfc9577.json")["structures"][5]
    assert greased["token_type"] == "0000"
    with pytest.raises(TokenMalformed):
        Token.decode(bytes.fromhex(greased["token_authenticator_input"]))


@pytest.mark.parametrize("length", [0, 1, 97, 98, 353, 355, 4096])
def test_lengths(length: int) -> None:
    with pytest.raises(DecodeError):
        Token.decode((b"\0\2" + bytes(length))[:length])


def test_nothing_of_it_prints() -> None:
    token = Token(2, b"n" * 32, b"d" * 32, b"k" * 32, b"a" * 256)
    assert repr(token) == "Token(token_type=2)"


@given(TOKENS)
def test_round_trip(token: Token) -> None:
    assert Token.decode(token.encode()) == token


@given(st.binary(max_size=400) | st.binary(min_size=352, max_size=352).map(lambda tail: b"\0\2" + tail))
def test_one_encoding_each_or_an_error(data: bytes) -> None:
    try:
        token = Token.decode(data)
    except TacitaError:
        return
    assert token.encode() == data
