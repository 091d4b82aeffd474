"""RFC 9110, Section 11: several challenges in one field, quoted or not, and nothing that is not one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import TacitaError
from tacita.wire.authparams import (
    MAX_CHALLENGES,
    MAX_LENGTH,
    MAX_PARAMETERS,
    AuthFieldTooLong,
    AuthParamsMalformed,
    Challenge,
    format_challenge,
    format_challenges,
    parse_challenges,
    parse_credentials,
)


def params(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return pairs


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", []),
        (b" , ,", []),
        (b"Negotiate", [Challenge("Negotiate")]),
        (b"Negotiate, Basic", [Challenge("Negotiate"), Challenge("Basic")]),
        (b"Negotiate , Basic", [Challenge("Negotiate"), Challenge("Basic")]),
        (b"Negotiate ,Basic realm=x", [Challenge("Negotiate"), Challenge("Basic", params(("realm", "x")))]),
        (b"Negotiate a+/b==", [Challenge("Negotiate", (), "a+/b==")]),
        (b"Negotiate a=", [Challenge("Negotiate", (), "a=")]),
        (b"Basic realm", [Challenge("Basic", (), "realm")]),
        (b"Negotiate abc, X y", [Challenge("Negotiate", (), "abc"), Challenge("X", (), "y")]),
        (b'Basic realm="a, b=c"', [Challenge("Basic", params(("realm", "a, b=c")))]),
        (b'Basic realm="say \\"x\\" \\\\"', [Challenge("Basic", params(("realm", 'say "x" \\')))]),
        (b'Basic realm=""', [Challenge("Basic", params(("realm", "")))]),
        (b"Basic realm = x", [Challenge("Basic", params(("realm", "x")))]),
        (b"Basic\t", [Challenge("Basic")]),
        (b'Basic realm="\xe9"', [Challenge("Basic", params(("realm", "\xe9")))]),
        (b"P  a=1,,b=2 , c=3,", [Challenge("P", params(("a", "1"), ("b", "2"), ("c", "3")))]),
        (b"P t=AA==, k=A=", [Challenge("P", params(("t", "AA=="), ("k", "A=")))]),
        (
            b'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
            [
                Challenge("Newauth", params(("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"'))),
                Challenge("Basic", params(("realm", "simple"))),
            ],
        ),
    ],
)
def test_fields(field: bytes, expected: list[Challenge]) -> None:
    assert parse_challenges(field) == expected


@pytest.mark.parametrize(
    "field",
    [
        b"=",
        b'"x"',
        b"Basic foo bar",
        b'Basic realm="x',
        b'Basic realm="x"y',
        b"Basic realm=x y=z",
        b"Negotiate abc, x=1",
        b"Basic a=1, A=2",
        b"Basic\x00",
        b'Basic realm="\n"',
        b"B\xe9 a=1",
    ],
)
def test_anything_else_is_malformed(field: bytes) -> None:
    with pytest.raises(AuthParamsMalformed):
        parse_challenges(field)


def test_names_ignore_case() -> None:
    found = parse_credentials(b"PRIVATETOKEN Token=x")
    assert found.is_scheme("PrivateToken")
    assert found.get("token") == "x"
    assert found.get("other") is None


@pytest.mark.parametrize("field", [b"", b" ", b"A x=1, B y=2", b",A x=1", b" , A x=1", b"A x=1, B"])
def test_credentials_are_exactly_one(field: bytes) -> None:
    with pytest.raises(AuthParamsMalformed):
        parse_credentials(field)


def test_bounds() -> None:
    parse_challenges(b", ".join([b"A"] * MAX_CHALLENGES))
    parse_challenges(b"A " + b", ".join(b"p%d=1" % i for i in range(MAX_PARAMETERS)))
    for field in (
        b", ".join([b"A"] * (MAX_CHALLENGES + 1)),
        b"A " + b", ".join(b"p%d=1" % i for i in range(MAX_PARAMETERS + 1)),
        b"A" * (MAX_LENGTH + 1),
    ):
        with pytest.raises(AuthFieldTooLong):
            parse_challenges(field)


def test_values_do_not_print() -> None:
    shown = repr(parse_challenges(b'A x="canary", B canary'))
    assert "canary" not in shown


@pytest.mark.parametrize(
    "challenge",
    [
        Challenge("not a token"),
        Challenge("A", (("b c", "x"),)),
        Challenge("A", (("b", "\r\nInjected: 1"),)),
        Challenge("A", (("b", "\u20ac"),)),
        Challenge("A", (("b", "x"),), "abc"),
        Challenge("A", (), "a b"),
    ],
)
def test_what_cannot_be_written_is_a_callers_mistake(challenge: Challenge) -> None:
    with pytest.raises(ValueError, match=r".+"):
        format_challenge(challenge)


NAMES = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True)
VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30
).filter(lambda text: all(not 0x7F <= ord(c) < 0x80 for c in text))
CHALLENGES = st.builds(
    Challenge,
    NAMES,
    st.lists(st.tuples(NAMES, VALUES), max_size=5, unique_by=lambda pair: pair[0].lower()).map(tuple),
) | st.builds(Challenge, NAMES, st.just(()), st.from_regex(r"[0-9A-Za-z\-._~+/]{1,20}={0,2}", fullmatch=True))


@given(st.lists(CHALLENGES, max_size=6))
def test_what_is_written_is_read(challenges: list[Challenge]) -> None:
    assert parse_challenges(format_challenges(challenges)) == challenges


@given(st.binary(max_size=200) | st.text(' \t,="\\aB1~/', max_size=60).map(str.encode))
def test_garbage_is_an_error_of_the_tree(field: bytes) -> None:
    for read in (parse_challenges, parse_credentials):
        with contextlib.suppress(TacitaError):
            read(field)
