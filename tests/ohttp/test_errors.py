"""What a peer may learn from a refusal: nothing beyond that it was refused."""

import pytest

from tacita.ohttp import errors
from tacita.ohttp.errors import RequestRefused, ResponseRefused, ResponseTruncated

LEAVES = [
    errors.UnknownKey,
    errors.SuiteNotOffered,
    errors.MalformedRequest,
    errors.UndecryptableRequest,
    errors.RequestTruncated,
]


def test_leaves_are_all_there_are() -> None:
    assert set(RequestRefused.__subclasses__()) == set(LEAVES)


@pytest.mark.parametrize("leaf", LEAVES)
def test_one_answer_for_every_reason(leaf: type[RequestRefused]) -> None:
    public = (str(leaf()), leaf.status, leaf.problem_type)
    assert public == (str(RequestRefused()), 422, "https://iana.org/assignments/http-problem-types#ohttp-key")


def test_reasons_differ_for_the_counter() -> None:
    assert len({leaf.reason for leaf in LEAVES}) == len(LEAVES)


def test_a_client_hears_of_truncation() -> None:
    assert issubclass(ResponseTruncated, ResponseRefused)
    assert str(ResponseTruncated()) != str(ResponseRefused())
