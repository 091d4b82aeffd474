"""ristretto255 against the contract, and RFC 9496's multiples and bad encodings."""

import sys

import pytest
from contracts.group import GroupContract

from tacita.crypto.groups import ristretto255
from tacita.crypto.groups.errors import GroupUnavailable
from tacita.crypto.groups.ristretto255 import RISTRETTO255

# RFC 9496, Appendix A.1: the first multiples of the generator.
TWICE = "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919"
THRICE = "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259"

# RFC 9496, Appendix A.2: not below the field's prime, and negative.
BAD = (
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    # libsodium 1.0.18 takes this one for the generator.
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2df6",
)


class TestRistretto255(GroupContract):
    group = RISTRETTO255
    order = 2**252 + 27742317777372353535851937790883648493
    byteorder = "little"
    identities = (bytes(32), b"\0", b"")
    bad_elements = tuple(bytes.fromhex(one) for one in BAD)

    def test_rfc_9496(self) -> None:
        for factor, encoding in ((2, TWICE), (3, THRICE)):
            assert self.group.multiply_generator(self.scalar(factor)).encoding.hex() == encoding


def test_a_machine_without_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysodium", None)
    monkeypatch.setattr(ristretto255, "_sodium", ristretto255._sodium.__wrapped__)
    with pytest.raises(GroupUnavailable, match="libsodium23"):
        RISTRETTO255.decode(RISTRETTO255.generator.encoding)
