"""What the documents say about the programs is what the programs say."""

from pathlib import Path

import pytest
from support.help_blocks import brought_up_to_date, commands

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENTS = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_help_blocks_are_those_of_the_programs(path: Path) -> None:
    document = path.read_text()
    # `python tests/support/help_blocks.py FILE` brings a document up to date.
    assert brought_up_to_date(document) == document


def test_each_command_has_its_block() -> None:
    assert commands((_ROOT / "docs" / "cli.md").read_text()) == [
        "tacita --help",
        "tacita up --help",
        "tacita ask --help",
        "tacita tokens --help",
        "tacita doctor --help",
        "tacita-relay --help",
        "tacita-gateway --help",
        "tacita-issuer --help",
        "tacita-node --help",
        "tacita-issuer account --help",
        "tacita-issuer account add --help",
        "tacita-issuer invite --help",
        "tacita-issuer invite create --help",
        "tacita-issuer invite list --help",
        "tacita-issuer invite revoke --help",
    ]
