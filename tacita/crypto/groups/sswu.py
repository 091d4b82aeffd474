"""Points of a curve from a message: hash_to_field and the simplified SWU map (RFC 9380, Sections 5.2, 6.6.2).

For curves y^2 = x^3 - 3x + b over a prime field with p = 3 (mod 4). The caller adds the two
points; with a cofactor of 1 there is nothing to clear. Not in constant time; `ec` says why
that is right for what is hashed here.
"""

from functools import cached_property

from tacita.crypto import modular
from tacita.crypto.groups import xmd

__all__ = ["HashToCurve"]

_A = -3


class HashToCurve:
    """One suite: the field's `p`, the curve's `b`, the map's `z`, the hash, and L bytes for each integer."""

    def __init__(self, *, p: int, b: int, z: int, hash_name: str, expansion: int) -> None:
        self._p = p
        self._b = b
        self._z = z
        self._hash_name = hash_name
        self._expansion = expansion
        self.field_length = (p.bit_length() + 7) // 8

    def uniform(self, message: bytes, domain: bytes, count: int) -> bytes:
        """Return the bytes of `count` integers, each long enough to be uniform once it is reduced."""
        return xmd.expand(self._hash_name, message, domain, count * self._expansion)

    def points(self, message: bytes, domain: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the affine coordinates of the two points whose sum is the result."""
        data = self.uniform(message, domain, 2)
        one, other = data[: self._expansion], data[self._expansion :]
        return self._map(int.from_bytes(one, "big")), self._map(int.from_bytes(other, "big"))

    @cached_property
    def _root(self) -> int:
        """The square root of -z^3, by which the root at one candidate gives that at the other."""
        return self._power_of_root(-(self._z**3))

    @cached_property
    def _minus_b_over_a(self) -> int:
        return -self._b * modular.inverse(_A % self._p, self._p) % self._p

    @cached_property
    def _exceptional(self) -> int:
        return self._b * modular.inverse(self._z * _A % self._p, self._p) % self._p

    def _power_of_root(self, value: int) -> int:
        return modular.power(value % self._p, (self._p + 1) // 4, self._p)

    def _map(self, number: int) -> tuple[int, int]:
        p = self._p
        u = number % p
        zu2 = self._z * u * u % p
        denominator = (zu2 * zu2 + zu2) % p
        if denominator:
            x = self._minus_b_over_a * (1 + modular.inverse(denominator, p)) % p
        else:
            x = self._exceptional
        g = (x * x * x + _A * x + self._b) % p
        y = self._power_of_root(g)
        if y * y % p != g:
            # Then -g is the square, y its root, and g(zu2 * x) = (zu2)^3 * g the one that we want a root of.
            x = zu2 * x % p
            y = self._root * u * u * u * y % p
        return x, y if u % 2 == y % 2 else p - y
