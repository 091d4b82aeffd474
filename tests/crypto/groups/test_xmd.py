"""RFC 9380's vectors of expand_message_xmd, the one with an oversized domain included."""

import pytest
from support import vectors

from tacita.crypto.groups import xmd


@pytest.mark.parametrize("number", range(3))
def test_rfc_9380(number: int) -> None:
    document = vectors.own("rfc9380.json")["expand_message_xmd"][number]
    for vector in document["vectors"]:
        uniform = xmd.expand(
            document["hash"], vector["msg"].encode(), document["dst"].encode(), vector["length"]
        )
        assert uniform.hex() == vector["uniform_bytes"]


def test_there_is_an_end() -> None:
    assert len(xmd.expand("sha256", b"", b"d", 255 * 32)) == 255 * 32
    with pytest.raises(ValueError, match="more bytes"):
        xmd.expand("sha256", b"", b"d", 255 * 32 + 1)
