"""What any `tacita.crypto.groups.group.Group` must do. A test class of a group inherits `GroupContract`."""

import os
import threading
from typing import Any, Literal

import pytest
from support.tape import Tape

from tacita.crypto.groups.errors import ArithmeticFailed, ElementMalformed, ScalarMalformed
from tacita.crypto.groups.group import Group

__all__ = ["GroupContract"]

DOMAIN = b"tests"


class GroupContract:
    """The rules in the docstring of `Group`, one test each. A subclass names the group and its constants."""

    group: Group[Any, Any]
    order: int
    byteorder: Literal["big", "little"]
    identities: tuple[bytes, ...]
    """Every encoding of the identity that somebody might take."""

    bad_elements: tuple[bytes, ...]
    """Other encodings that must be refused: off the curve, another form, not reduced."""

    def scalar(self, value: int) -> Any:
        return self.group.decode_scalar(self.encoded(value))

    def encoded(self, value: int) -> bytes:
        return value.to_bytes(self.group.scalar_length, self.byteorder)

    def element(self, message: bytes = b"element") -> Any:
        return self.group.hash_to_element(message, DOMAIN)

    def test_elements_round_trip(self) -> None:
        for element in (self.group.generator, self.element()):
            encoding = element.encoding
            assert len(encoding) == self.group.element_length
            again = self.group.decode(encoding)
            assert again == element
            assert hash(again) == hash(element)
            assert again.encoding == encoding
        assert self.element() != self.group.generator

    def test_the_identity_is_refused(self) -> None:
        for encoding in self.identities:
            with pytest.raises(ElementMalformed):
                self.group.decode(encoding)

    def test_other_encodings_are_refused(self) -> None:
        good = self.element().encoding
        for encoding in (b"", good[:-1], good + b"\0", *self.bad_elements):
            with pytest.raises(ElementMalformed) as caught:
                self.group.decode(encoding)
            assert caught.value.status == 422
        assert self.group.decode(good).encoding == good  # and nothing is left behind in the library

    def test_scalars_are_below_the_order(self) -> None:
        for value in (0, 1, self.order - 1):
            assert self.group.encode_scalar(self.scalar(value)) == self.encoded(value)
        one = self.encoded(1)
        for data in (self.encoded(self.order), b"\xff" * len(one), one[:-1], one + b"\0", b"\0" + one, b""):
            with pytest.raises(ScalarMalformed):
                self.group.decode_scalar(data)

    def test_zero_has_no_inverse(self) -> None:
        with pytest.raises(ArithmeticFailed):
            self.group.invert_scalar(self.scalar(0))

    def test_random_scalars_are_drawn_until_they_fit(self) -> None:
        length = self.group.scalar_length
        tape = Tape(bytes(length), self.encoded(self.order), self.encoded(5))
        assert self.group.encode_scalar(self.group.random_scalar(tape)) == self.encoded(5)
        tape.finish()

    def test_elements_compute(self) -> None:
        group, element = self.group, self.element()
        one, other = group.random_scalar(os.urandom), group.random_scalar(os.urandom)
        total = group.multiply(group.add_scalars(one, other), element)
        assert group.add(group.multiply(one, element), group.multiply(other, element)) == total
        assert group.multiply(group.invert_scalar(one), group.multiply(one, element)) == element
        assert group.multiply_generator(one) == group.multiply(one, group.generator)
        assert group.multiply(self.scalar(1), element) == element

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_a_combination_is_the_sum_of_products(self, count: int) -> None:
        group = self.group
        elements = [self.element(b"%d" % number) for number in range(count)]
        scalars = [group.hash_to_scalar(b"%d" % number, DOMAIN) for number in range(count)]
        expected = group.multiply(scalars[0], elements[0])
        for scalar, element in zip(scalars[1:], elements[1:], strict=True):
            expected = group.add(expected, group.multiply(scalar, element))
        assert group.combine(scalars, elements) == expected
        assert group.combine([*scalars, self.scalar(0)], [*elements, self.element()]) == expected

    def test_a_combination_has_as_many_scalars_as_elements(self) -> None:
        with pytest.raises(ValueError, match=r"."):
            self.group.combine([self.scalar(1)], [])

    def test_no_result_is_the_identity(self) -> None:
        group, element = self.group, self.element()
        opposite = group.multiply(self.scalar(self.order - 1), element)
        computations = (
            lambda: group.add(element, opposite),
            lambda: group.multiply(self.scalar(0), element),
            lambda: group.multiply_generator(self.scalar(0)),
            lambda: group.combine([self.scalar(0)], [element]),
            lambda: group.combine([self.scalar(3), self.scalar(3)], [element, opposite]),
            lambda: group.combine([], []),
        )
        for computation in computations:
            with pytest.raises(ArithmeticFailed) as caught:
                computation()
            assert caught.value.status == 500

    def test_a_sum_may_pass_through_the_identity(self) -> None:
        group, element, other = self.group, self.element(), self.element(b"other")
        opposite = group.multiply(self.scalar(self.order - 1), element)
        one = self.scalar(1)
        assert group.combine([one, one, one], [element, opposite, other]) == other

    def test_hashes_depend_on_message_and_domain(self) -> None:
        group = self.group
        assert group.hash_to_element(b"a", b"d") == group.hash_to_element(b"a", b"d")
        assert len({group.hash_to_element(m, d) for m in (b"a", b"b") for d in (b"d", b"e")}) == 4
        scalars = {
            group.encode_scalar(group.hash_to_scalar(m, d)) for m in (b"a", b"b") for d in (b"d", b"e")
        }
        assert len(scalars) == 4

    def test_secrets_do_not_print(self) -> None:
        scalar = self.scalar(0x1234567)
        assert "234567" not in repr(scalar)
        assert str(0x1234567) not in repr(scalar)

    def test_threads_share_a_group(self) -> None:
        group, element = self.group, self.element()
        scalar = group.hash_to_scalar(b"shared", DOMAIN)
        expected = group.multiply(scalar, element)
        found: list[Any] = []

        def work() -> None:
            for _ in range(20):
                found.append(group.multiply(scalar, group.decode(element.encoding)))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [expected] * 160
