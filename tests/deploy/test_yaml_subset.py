"""The reader that the other tests rely on: strict, so that it never reads other things than Compose."""

import pytest
from support.yaml_subset import parse


def test_mappings_values_anchors_and_merges() -> None:
    text = '# c\nx-a: &a\n  b: ["1", 2]\n  c: "d"\ne:\n  f:\n    <<: *a\n    g: {}\nh: true\n'
    a = {"b": ["1", 2], "c": "d"}
    assert parse(text) == {"x-a": a, "e": {"f": {"b": ["1", 2], "c": "d", "g": {}}}, "h": True}


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "a: 'b'",
        "- a",
        "a:\n   b: 1",
        "a: 1\na: 2",
        "a: 1 # c",
        "a: |\n  b",
        "\ta: 1",
        "a: [1,",
        "a: 1\n    b: 2",
        "a:\n  <<: *b",
        "a: &a\n  b: 1\nc:\n  b: 2\n  <<: *a",
    ],
)
def test_what_is_not_in_the_subset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        parse(text)
