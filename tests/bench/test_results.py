"""Figures, goals and how they are written."""

from bench.profile import tabulated
from bench.results import Goal, Section, Table, at_least, at_most, ratios, spread
from bench.writing import as_markdown, as_text


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert spread([12_345.6, 10_000.0, 20_000.0]) == "12,346 (10,000 to 20,000)"
    assert spread([4.5]) == "4.50"


def test_ratios_are_those_of_the_same_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_goal_is_reached_by_its_median() -> None:
    assert at_most("cost", [1.0, 2.0, 90.0], 2).reached is True
    assert at_most("cost", [1.0, 2.1, 2.2], 2).reached is False
    assert at_least("rate", [1.0, 2.0, 2.0], 2).reached is True
    assert at_least("rate", [1.9, 1.9, 90.0], 2).reached is False


def test_the_document_says_what_stands_in_the_way_of_missed_goals_only() -> None:
    goals = [
        at_most("good", [1.0], 2, " µs", "never said"),
        at_most("bad", [3.0], 2, " µs", "a wall\nof stone"),
        Goal("unknown", "≥ 2", "one core", None, "there is one core"),
    ]
    section = Section("Things", "What they are.\n", [Table(("", "µs"), [("a|b", "3")], "By size")], goals)
    document = as_markdown([section], [("date", "today")], "")
    assert "| good | ≤ 2 µs | 1.00 µs | reached |" in document
    assert "| bad | ≤ 2 µs | 3.00 µs | **not reached** |" in document
    assert "- **bad** (goal ≤ 2 µs, measured 3.00 µs): a wall of stone\n" in document
    assert "there is one core" in document
    assert "never said" not in document
    assert "| a\\|b | 3 |" in document
    assert "### By size" in document


def test_text_for_the_terminal_is_aligned() -> None:
    section = Section("Things", "Left out.", [Table(("", "µs"), [("one", "3"), ("three", "1,234")])])
    assert as_text(section).splitlines()[-3:] == ["          µs", "one        3", "three  1,234"]


def test_a_profile_counts_the_innermost_function() -> None:
    stacks = (
        "main (bench/x.py:1);serve (/a/b/c/tacita/net/lane.py:10) 30\n"
        "main (bench/x.py:1);serve (/a/b/c/tacita/net/lane.py:12) 60\n"
        "main (bench/x.py:1) 10\n"
    )
    table = tabulated("Relay", stacks)
    assert table is not None
    assert list(table.rows) == [("`serve` (tacita/net/lane.py)", "90 %"), ("`main` (bench/x.py)", "10 %")]
    assert tabulated("Nothing", "") is None


def test_code_without_symbols_is_one_row_for_each_library() -> None:
    table = tabulated("Relay", "main (x.py:1);0x7f01 (libc.so.6) 1\nmain (x.py:1);0x7f02 (libc.so.6) 3\n")
    assert table is not None
    assert list(table.rows) == [("`no name` (libc.so.6)", "100 %")]
