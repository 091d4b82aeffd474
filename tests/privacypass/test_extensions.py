"""Extensions: one encoding each, in order; expiry that all clients agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors

from tacita.privacypass.errors import ExtensionsMalformed, ExtensionsRefused, TokenExpired, TokenInvalid
from tacita.privacypass.extensions import (
    EXPIRATION,
    ExpirationPolicy,
    ExpirationTimestamp,
    Extension,
    Extensions,
)

EXTENSION = st.builds(Extension, st.integers(0, 0xFFFF), st.binary(max_size=40))
EXTENSIONS = st.lists(EXTENSION, max_size=6).map(
    lambda found: Extensions(tuple(sorted(found, key=lambda extension: extension.extension_type)))
)
EXPIRY = st.builds(
    lambda precision, steps: ExpirationTimestamp(precision, precision * steps),
    st.integers(1, 1 << 31),
    st.integers(0, 1 << 32),
)
POLICY = ExpirationPolicy(precision=3600, lifetime=86_400)
NOW = 1_700_000_000


def expiry(timestamp: int, precision: int = 3600) -> Extension:
    return ExpirationTimestamp(precision, timestamp).extension()


@given(EXTENSIONS)
def test_round_trip(extensions: Extensions) -> None:
    assert Extensions.decode(extensions.encode()) == extensions


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda data: len(data).to_bytes(2, "big") + data))
def test_one_encoding_each_or_an_error(data: bytes) -> None:
    try:
        extensions = Extensions.decode(data)
    except ExtensionsMalformed:
        return
    assert extensions.encode() == data


def test_privacypass_ts() -> None:
    for vector in vectors.shared("privacypass/pp-ts-pub_verif_with_metadata_v3.json"):
        encoded = bytes.fromhex(vector["extensions"])
        assert Extensions.decode(encoded) == Extensions((Extension(1, b"\x01\x02\x03"),))
        assert Extensions.decode(encoded).encode() == encoded


def test_the_draft() -> None:
    expected = bytes.fromhex("0014000100100000000000000e100000000064a5bdb0")
    assert Extensions((ExpirationTimestamp(3600, 1_688_583_600).extension(),)).encode() == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "00",
        "0001",
        "000100",
        "000000",
        "000400010001",
        "0005000100010000",
        "00080002000000010000",
        "0003000100",
    ],
    ids=["empty", "half", "nothing", "one", "trailing", "data", "more", "order", "header"],
)
def test_what_is_not_canonical_is_refused(wrong: str) -> None:
    with pytest.raises(ExtensionsMalformed) as caught:
        Extensions.decode(bytes.fromhex(wrong))
    assert caught.value.status == 400


def test_a_type_may_repeat_but_not_go_back() -> None:
    Extensions((Extension(1, b"b"), Extension(1, b"a")))
    with pytest.raises(ExtensionsMalformed):
        Extensions((Extension(2, b""), Extension(1, b"")))


def test_what_does_not_fit_is_not_made() -> None:
    for wrong in (
        lambda: Extension(-1, b""),
        lambda: Extension(1 << 16, b""),
        lambda: Extension(1, bytes(1 << 16)),
    ):
        with pytest.raises(ExtensionsMalformed):
            wrong()
    with pytest.raises(ExtensionsMalformed):
        Extensions((Extension(1, bytes(0xFFFF)),))
    Extensions((Extension(1, bytes(0xFFFF - 4)),))


def test_data_does_not_print() -> None:
    assert "secret" not in repr(Extensions((Extension(1, b"secret"),)))


@given(EXPIRY)
def test_expiry_round_trip(expiration: ExpirationTimestamp) -> None:
    assert ExpirationTimestamp.decode(expiration.encode()) == expiration
    assert Extensions((expiration.extension(),)).expirations() == [expiration]


@given(st.binary(max_size=20) | st.binary(min_size=16, max_size=16))
def test_expiry_has_one_encoding(data: bytes) -> None:
    try:
        expiration = ExpirationTimestamp.decode(data)
    except ExtensionsMalformed:
        return
    assert expiration.encode() == data


@pytest.mark.parametrize(("precision", "timestamp"), [(0, 0), (3600, 1), (1 << 64, 0), (1, 1 << 64), (1, -1)])
def test_an_expiry_is_rounded_to_what_it_says(precision: int, timestamp: int) -> None:
    with pytest.raises(ExtensionsMalformed):
        ExpirationTimestamp(precision, timestamp)


def test_a_token_expires_at_the_second_it_says() -> None:
    extensions = Extensions((Extension(0, b"other"), expiry(7200), expiry(3600)))
    assert extensions.require_unexpired(3599.9) is extensions
    for now in (3600, 3601, 7200, 1 << 40):
        with pytest.raises(TokenExpired) as caught:
            extensions.require_unexpired(now)
        assert caught.value.status == 401
        assert isinstance(caught.value, TokenInvalid)
    assert Extensions().require_unexpired(1 << 40) == Extensions()
    with pytest.raises(ExtensionsMalformed):
        Extensions((Extension(EXPIRATION, b""),)).require_unexpired(0)


class TestPolicy:
    @given(now=st.floats(0, 1 << 33), offset=st.floats(0, 3599))
    def test_what_clients_choose_is_permitted(self, now: float, offset: float) -> None:
        POLICY.require_permitted(POLICY.choose(now), now)

    @given(hour=st.integers(0, 1 << 20), one=st.floats(0, 3599.9), other=st.floats(0, 3599.9))
    def test_all_clients_choose_the_same(self, hour: int, one: float, other: float) -> None:
        assert POLICY.choose(hour * 3600 + one) == POLICY.choose(hour * 3600 + other)

    def test_a_clock_a_little_ahead_is_forgiven(self) -> None:
        boundary = 3600 * 500_000
        ahead = POLICY.choose(boundary)
        POLICY.require_permitted(ahead, boundary - 59)
        with pytest.raises(ExtensionsRefused):
            POLICY.require_permitted(ahead, boundary - 61)

    @pytest.mark.parametrize(
        "extensions",
        [
            Extensions(),
            Extensions((Extension(0, b"tag"),)),
            Extensions((Extension(EXPIRATION, b"tag"),)),
            Extensions((expiry(NOW // 3600 * 3600 + 3600), Extension(2, b"tag"))),
            Extensions((expiry(NOW // 3600 * 3600 + 3600),) * 2),
            Extensions((expiry(NOW // 3600 * 3600),)),
            Extensions((expiry(NOW // 3600 * 3600 + 26 * 3600),)),
            Extensions((expiry(NOW // 60 * 60 + 60, 60),)),
            Extensions((expiry(NOW + 1, 1),)),
        ],
        ids=["none", "other", "broken", "more", "twice", "past", "far", "finer", "finest"],
    )
    def test_everything_else_is_refused(self, extensions: Extensions) -> None:
        with pytest.raises(ExtensionsRefused) as caught:
            POLICY.require_permitted(extensions, NOW)
        assert caught.value.status == 400

    def test_any_permitted_hour_may_be_asked_for(self) -> None:
        for hour in range(1, 25):
            POLICY.require_permitted(Extensions((expiry(NOW // 3600 * 3600 + hour * 3600),)), NOW)

    @pytest.mark.parametrize("wrong", [(0, 10), (10, 9), (-1, 5)])
    def test_a_policy_that_permits_nothing(self, wrong: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="lifetime"):
            ExpirationPolicy(*wrong)
