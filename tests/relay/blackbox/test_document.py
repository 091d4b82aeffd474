"""The table in docs/relay-data-planes.md is the one that the tests go by."""

from pathlib import Path

import pytest
from support.differences import DIFFERENCES, brought_up_to_date

FOLDER = Path(__file__).parent
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "relay-data-planes.md"


def test_the_document_has_the_table() -> None:
    text = DOCUMENT.read_text()
    # `python tests/support/differences.py FILE` brings it up to date.
    assert brought_up_to_date(text) == text
    assert DIFFERENCES[0].what in text


@pytest.mark.parametrize("key", [difference.key for difference in DIFFERENCES])
def test_each_difference_is_looked_for(key: str) -> None:
    assert any(f'"{key}"' in path.read_text() for path in FOLDER.glob("test_*.py"))
