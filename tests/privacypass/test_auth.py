"""PrivateToken in header fields: vectors of RFC 9577 and privacypass-ts, broken challenges among good."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors

from tacita.errors import TacitaError
from tacita.privacypass.auth import (
    PrivateTokenChallenge,
    format_authorization,
    format_www_authenticate,
    parse_authorization,
    parse_extended_authorization,
    parse_redemption,
    parse_www_authenticate,
)
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import TokenMalformed, TokenMissing
from tacita.privacypass.extensions import Extension, Extensions
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.wire import base64url
from tacita.wire.authparams import AuthParamsMalformed

TYPES = (0x0001, 0x0002)
TOKEN = Token(2, b"n" * 32, b"d" * 32, b"k" * 32, b"a" * 256)
GOOD = PrivateTokenChallenge(TokenChallenge(2, "issuer.example"), b"key", 10)


@pytest.mark.parametrize("vector", vectors.own("rfc9577.json")["headers"])
def test_rfc_9577(vector: dict[str, Any]) -> None:
    found = parse_www_authenticate(vector["www_authenticate"].encode(), token_types=TYPES)
    expected = [one for one in vector["challenges"] if int(one["token_type"], 16) in TYPES]
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert one.challenge.encode().hex() == wanted["token_challenge"]
        assert one.challenge.token_type == int(wanted["token_type"], 16)
        assert one.token_key == bytes.fromhex(wanted["token_key"])
        assert one.max_age == int(wanted["max_age"])


@pytest.mark.parametrize(
    "name", ["pp-ts-auth_scheme_header_v14.json", "pp-ts-auth_scheme_header_complicated.json"]
)
def test_privacypass_ts(name: str) -> None:
    for vector in vectors.shared(f"privacypass/{name}"):
        found = parse_www_authenticate(vector["WWW-Authenticate"].encode(), token_types=TYPES)
        assert len(found) == sum(key.startswith("token-challenge") for key in vector)
        for place, one in enumerate(found):
            assert one.challenge.encode().hex() == vector[f"token-challenge-{place}"]
            assert one.challenge.token_type == vector[f"token-type-{place}"]
            assert one.token_key is not None
            assert one.token_key.hex() == vector[f"token-key-{place}"]
            assert one.max_age == vector[f"max-age-{place}"]


def test_what_is_written_is_padded_quoted_and_read() -> None:
    bare = PrivateTokenChallenge(TokenChallenge(1, "a", bytes(32), ("b", "c")))
    field = format_www_authenticate([GOOD, bare])
    assert field.startswith(
        b'PrivateToken challenge="AAIADmlzc3Vlci5leGFtcGxlAAAA", token-key="a2V5", max-age="10"'
    )
    assert parse_www_authenticate(field, token_types=TYPES) == [GOOD, bare]
    assert b'=="' in format_www_authenticate([PrivateTokenChallenge(TokenChallenge(2, "abc"))])


def test_types_that_are_not_supported_are_left_out() -> None:
    assert parse_www_authenticate(format_www_authenticate([GOOD]), token_types=(1,)) == []


@pytest.mark.parametrize(
    "broken",
    [
        b"PrivateToken",
        b"PrivateToken token-key=AAAA",
        b"PrivateToken challenge=!",
        b"PrivateToken challenge=AAI",
        b"PrivateToken challenge=AA",
        b'PrivateToken challenge=""',
        b'PrivateToken challenge="AAIADmlzc3Vlci5leGFtcGxlAAAA", max-age=-1',
        b'PrivateToken challenge="AAIADmlzc3Vlci5leGFtcGxlAAAA", max-age="\xb2"',
        b'PrivateToken challenge="AAIADmlzc3Vlci5leGFtcGxlAAAA", max-age=' + b"9" * 5000,
        b'PrivateToken challenge="AAIADmlzc3Vlci5leGFtcGxlAAAA", token-key="?"',
        # a redemption context of one byte
        b"PrivateToken challenge=" + base64url.encode(b"\0\2\0\1a\1x\0\0").encode(),
    ],
)
def test_a_broken_challenge_does_not_hide_a_good_one(broken: bytes) -> None:
    field = broken + b", " + format_www_authenticate([GOOD])
    assert parse_www_authenticate(field, token_types=TYPES) == [GOOD]


def test_authorization() -> None:
    field = format_authorization(TOKEN)
    assert field.startswith(b'PrivateToken token="')
    assert parse_authorization(field) == TOKEN
    bare = base64url.encode(TOKEN.encode()).encode()
    assert parse_authorization(b"privatetoken  TOKEN=" + bare.rstrip(b"=") + b", extra=1") == TOKEN


@pytest.mark.parametrize(
    "field", [b"Basic abc", b"PrivateToken", b"PrivateToken abc", b"PrivateToken other=1"]
)
def test_no_token(field: bytes) -> None:
    with pytest.raises(TokenMissing):
        parse_authorization(field)


@pytest.mark.parametrize(
    "field", [b"PrivateToken token=AAAA", b'PrivateToken token="%"', b'PrivateToken token=""']
)
def test_no_such_token(field: bytes) -> None:
    with pytest.raises(TokenMalformed) as caught:
        parse_authorization(field)
    assert caught.value.status == 401


def test_extensions_stand_beside_the_token() -> None:
    extensions = Extensions((Extension(1, b"data"),))
    field = format_authorization(TOKEN, extensions)
    assert field.endswith(b', extensions="AAgAAQAEZGF0YQ=="')
    assert parse_extended_authorization(field) == (TOKEN, extensions)
    assert parse_authorization(field) == TOKEN
    assert parse_extended_authorization(format_authorization(TOKEN)) == (TOKEN, None)
    empty = format_authorization(TOKEN, Extensions())
    assert parse_extended_authorization(empty) == (TOKEN, Extensions())


@pytest.mark.parametrize("broken", [b'""', b'"%"', b"AA", b"AAE", b"AAAA", b"AAgAAgAAAAEAAA"])
def test_extensions_that_cannot_be_read(broken: bytes) -> None:
    with pytest.raises(TokenMalformed) as caught:
        parse_extended_authorization(format_authorization(TOKEN) + b", extensions=" + broken)
    assert caught.value.status == 401


def test_extensions_without_a_token() -> None:
    with pytest.raises(TokenMissing):
        parse_extended_authorization(b"PrivateToken extensions=AAA")


def test_two_sets_of_credentials_are_refused() -> None:
    with pytest.raises(AuthParamsMalformed):
        parse_authorization(format_authorization(TOKEN) + b", " + format_authorization(TOKEN))


@given(st.binary(max_size=100).map(lambda tail: b"PrivateToken token=" + tail) | st.binary(max_size=100))
def test_garbage_is_an_error_of_the_tree(field: bytes) -> None:
    for read in (
        parse_authorization,
        parse_extended_authorization,
        parse_redemption,
        lambda value: parse_www_authenticate(value, token_types=TYPES),
    ):
        with contextlib.suppress(TacitaError):
            read(field)


class TestCredentials:
    """Type 0xE5AC: a challenge and a token of its own, and `rate-limit` (the ARC draft, Sections 6 and 8)."""

    CHALLENGE = CredentialChallenge(TokenChallenge(arc.TOKEN_TYPE, "issuer.example"), b"c" * 32)
    TOKEN = arc.Token(7, b"d" * 32, b"k" * 32, bytes(486))

    def test_a_challenge_has_its_context_and_limit(self) -> None:
        wanted = PrivateTokenChallenge(self.CHALLENGE, b"key", 10, 100)
        field = format_www_authenticate([wanted, GOOD])
        assert b', max-age="10", rate-limit="100", PrivateToken ' in field
        assert parse_www_authenticate(field, token_types=(*TYPES, arc.TOKEN_TYPE)) == [wanted, GOOD]
        # Whoever knows no credentials passes it over.
        assert parse_www_authenticate(field, token_types=TYPES) == [GOOD]
        bare = PrivateTokenChallenge(self.CHALLENGE)
        field = format_www_authenticate([bare])
        assert parse_www_authenticate(field, token_types=[arc.TOKEN_TYPE]) == [bare]

    @pytest.mark.parametrize("limit", [b'""', b"-1", b"1.5", b"1e2", b"9" * 11, b'"\xb2"', b"ten"])
    def test_one_with_a_limit_that_is_no_number_is_left_out(self, limit: bytes) -> None:
        field = format_www_authenticate([PrivateTokenChallenge(self.CHALLENGE)]) + b", rate-limit=" + limit
        assert parse_www_authenticate(field, token_types=[arc.TOKEN_TYPE]) == []
        # It is a parameter of this type alone.
        field = format_www_authenticate([GOOD]) + b", rate-limit=" + limit
        assert parse_www_authenticate(field, token_types=TYPES) == [GOOD]

    @pytest.mark.parametrize("length", [1, 31, 33])
    def test_one_with_a_context_of_another_length_is_left_out(self, length: int) -> None:
        encoded = self.CHALLENGE.base.encode() + bytes((length,)) + bytes(length)
        field = b"PrivateToken challenge=" + base64url.encode(encoded).encode()
        assert parse_www_authenticate(field, token_types=[arc.TOKEN_TYPE]) == []

    def test_a_presentation_is_a_token_of_another_form(self) -> None:
        field = format_authorization(self.TOKEN)
        assert parse_redemption(field) == (self.TOKEN, None)
        with pytest.raises(TokenMalformed):
            parse_authorization(field)
        with pytest.raises(TokenMalformed):
            parse_extended_authorization(field)

    def test_tokens_of_other_types_are_what_they_are(self) -> None:
        extensions = Extensions((Extension(1, b"x"),))
        assert parse_redemption(format_authorization(TOKEN)) == (TOKEN, None)
        assert parse_redemption(format_authorization(TOKEN, extensions)) == (TOKEN, extensions)
        with pytest.raises(TokenMissing):
            parse_redemption(b"Bearer x")

    def test_the_longest_presentation_there_is_can_be_read(self) -> None:
        longest = arc.Token(7, b"d" * 32, b"k" * 32, bytes(357 + 32 * 129))
        assert parse_redemption(format_authorization(longest)) == (longest, None)

    @pytest.mark.parametrize(
        "encoded", [b"", b"\xe5", b"\xe5\xac", TOKEN.encode()[:-1], TOKEN.encode() + b"x"]
    )
    def test_what_is_none_is_refused(self, encoded: bytes) -> None:
        with pytest.raises(TokenMalformed):
            parse_redemption(b'PrivateToken token="' + base64url.encode(encoded).encode() + b'"')
