"""How long a copy is fresh, and what is said about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.document import Document, lifetime


@pytest.mark.parametrize(
    ("cache_control", "age", "seconds"),
    [
        ("max-age=60", "", 60),
        ("public, MAX-AGE=60 ,immutable", "", 60),
        ('max-age="60"', "", 60),
        ("max-age=60", "15", 45),
        ("max-age=60", "61", 0),
        ("max-age=60, max-age=30", "", 30),
        ("", "", 0),
        ("max-age", "", 0),
        ("max-age=-1", "", 0),
        ("max-age=6 0", "", 0),
        ("s-maxage=60", "", 0),
        ("no-store, max-age=60", "", 0),
        ("max-age=60, no-cache", "", 0),
        ("private, max-age=60", "", 0),
        ("max-age=60", "x", 60),
        ("max-age=99999999999", "", 0),
    ],
)
def test_lifetime(cache_control: str, age: str, seconds: int) -> None:
    assert lifetime(cache_control, age) == seconds


@given(st.text(), st.text())
def test_lifetime_of_anything_is_a_length_of_time(cache_control: str, age: str) -> None:
    assert 0 <= lifetime(cache_control, age) < 10**10


def test_tag_and_digest_are_those_of_the_content() -> None:
    # RFC 9530, appendix B.1: the digest of {"hello": "world"} and a line feed.
    document = Document.of("application/json", b'{"hello": "world"}\n', fetched_at=5.0, lifetime=7)
    assert document.digest == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert document.tag == "sha256-44aff4ab2d7c3250525675a08f0cfa9591168cffe51791c5f5bbc417c15a6c38"
    assert document.expires_at == 12.0
