import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.hpke import Kdf, kdf
from tacita.crypto.hpke.kdf import Hkdf

HASHES = {
    Kdf.HKDF_SHA256: ("sha256", SHA256()),
    Kdf.HKDF_SHA384: ("sha384", SHA384()),
    Kdf.HKDF_SHA512: ("sha512", SHA512()),
}
functions = st.sampled_from([(kdf.of(code), *known) for code, known in HASHES.items()])
Function = tuple[Hkdf, str, HashAlgorithm]


@given(
    function=functions,
    key=st.binary(max_size=300),
    prefix=st.binary(max_size=80),
    message=st.binary(max_size=300),
)
def test_hmac_is_that_of_the_standard_library(
    function: Function, key: bytes, prefix: bytes, message: bytes
) -> None:
    hkdf, name, _ = function
    expected = hmac.digest(key, prefix + message, name)
    assert hkdf.extract(key, prefix + message) == expected
    keyed = hkdf.keyed(key, prefix)
    assert keyed.digest(message) == expected
    assert keyed.digest(message) == expected, "a digest leaves no trace in the state"


@pytest.mark.parametrize("code", HASHES)
def test_hmac_key_around_the_block_size(code: Kdf) -> None:
    name = HASHES[code][0]
    for size in (0, 63, 64, 65, 127, 128, 129):
        assert kdf.of(code).extract(b"k" * size, b"m") == hmac.digest(b"k" * size, b"m", name)


@given(
    function=functions,
    salt=st.binary(min_size=1, max_size=100),
    ikm=st.binary(max_size=100),
    info=st.binary(max_size=100),
    length=st.integers(1, 255 * 32),
)
def test_hkdf_is_that_of_cryptography(
    function: Function, salt: bytes, ikm: bytes, info: bytes, length: int
) -> None:
    hkdf, _, algorithm = function
    prk = hkdf.extract(salt, ikm)
    assert prk == HKDF.extract(algorithm, salt, ikm)
    assert hkdf.expand(prk, info, length) == HKDFExpand(algorithm, length, info).derive(prk)
    assert hkdf.expand(prk, info, length) == HKDF(algorithm, length, salt, info).derive(ikm)


@pytest.mark.parametrize("code", HASHES)
def test_expand_to_nothing(code: Kdf) -> None:
    assert kdf.of(code).expand(bytes(32), b"", 0) == b""


@pytest.mark.parametrize("code", HASHES)
def test_expand_beyond_the_bound(code: Kdf) -> None:
    hkdf = kdf.of(code)
    for length in (-1, 255 * hkdf.size + 1, 1 << 20):
        with pytest.raises(ValueError, match="255 digests"):
            hkdf.expand(bytes(32), b"", length)
        with pytest.raises(ValueError, match="255 digests"):
            kdf.Labelled(hkdf, b"x").expand(bytes(32), b"label", b"", length)
