"""P-256 (FIPS 186-5 and SP 800-186) with the hashing of P256_XMD:SHA-256_SSWU_RO_ (RFC 9380, Section 8.2)."""

from tacita.crypto.groups.ec import NistCurve
from tacita.crypto.groups.sswu import HashToCurve

__all__ = ["P256"]

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_NID = 415  # X9.62 prime256v1

P256 = NistCurve("P-256", _NID, _ORDER, HashToCurve(p=_P, b=_B, z=-10, hash_name="sha256", expansion=48))
