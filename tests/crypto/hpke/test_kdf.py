import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.hpke import kdf


@given(key=st.binary(max_size=200), prefix=st.binary(max_size=80), message=st.binary(max_size=300))
def test_hmac_is_that_of_the_standard_library(key: bytes, prefix: bytes, message: bytes) -> None:
    expected = hmac.digest(key, prefix + message, "sha256")
    assert kdf.hmac_sha256(key, prefix + message) == expected
    keyed = kdf.HmacSha256(key, prefix)
    assert keyed.digest(message) == expected
    assert keyed.digest(message) == expected, "a digest leaves no trace in the state"


@pytest.mark.parametrize("size", [0, 63, 64, 65])
def test_hmac_key_around_the_block_size(size: int) -> None:
    assert kdf.hmac_sha256(b"k" * size, b"m") == hmac.digest(b"k" * size, b"m", "sha256")


@given(
    salt=st.binary(min_size=1, max_size=100),
    ikm=st.binary(max_size=100),
    info=st.binary(max_size=100),
    length=st.integers(1, 255 * 32),
)
def test_hkdf_is_that_of_cryptography(salt: bytes, ikm: bytes, info: bytes, length: int) -> None:
    prk = kdf.extract(salt, ikm)
    assert prk == HKDF.extract(SHA256(), salt, ikm)
    assert kdf.expand(prk, info, length) == HKDFExpand(SHA256(), length, info).derive(prk)
    assert kdf.expand(prk, info, length) == HKDF(SHA256(), length, salt, info).derive(ikm)


def test_expand_to_nothing() -> None:
    assert kdf.expand(bytes(32), b"", 0) == b""


@pytest.mark.parametrize("length", [-1, 255 * 32 + 1, 1 << 20])
def test_expand_beyond_the_bound(length: int) -> None:
    with pytest.raises(ValueError, match="8,160"):
        kdf.expand(bytes(32), b"", length)
    with pytest.raises(ValueError, match="8,160"):
        kdf.Labelled(b"x").expand(bytes(32), b"label", b"", length)
