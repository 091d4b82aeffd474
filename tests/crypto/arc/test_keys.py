"""Keys of an issuer: one encoding each, no zero, and nothing printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.arc import PrivateKey
from tacita.crypto.groups.errors import ScalarMalformed
from tacita.errors import DecodeError, TacitaError

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_private_keys() -> None:
    key = PrivateKey.generate()
    again = PrivateKey.from_bytes(key.to_bytes())
    assert again.public_key == key.public_key
    assert hash(again.public_key) == hash(key.public_key)
    assert PrivateKey.generate().public_key != key.public_key
    assert key.to_bytes().hex() not in repr(key)
    for place in range(0, 128, 32):
        for wrong in (bytes(32), ORDER.to_bytes(32, "big")):
            with pytest.raises(ScalarMalformed):
                PrivateKey.from_bytes(key.to_bytes()[:place] + wrong + key.to_bytes()[place + 32 :])
    for data in (b"", key.to_bytes()[:-1], key.to_bytes() + b"\0"):
        with pytest.raises(DecodeError):
            PrivateKey.from_bytes(data)


@given(st.binary(max_size=129) | st.binary(min_size=128, max_size=128))
def test_what_is_read_is_written_again(data: bytes) -> None:
    try:
        key = PrivateKey.from_bytes(data)
    except TacitaError:
        return
    assert key.to_bytes() == data
