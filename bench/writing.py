"""Sections as text for a terminal, and as the Markdown of docs/performance.md."""

from collections.abc import Iterable, Sequence

from bench.results import Goal, Section, Table

__all__ = ["as_markdown", "as_text"]


def as_text(section: Section) -> str:
    """Return `section` for a terminal, without its explanations."""
    parts = [f"\n== {section.title}"]
    for table in (*section.tables, *section.profiles):
        parts.append(_text_table(table))
    for goal in section.goals:
        verdict = goal.verdict.strip("*")
        parts.append(f"{goal.what}: {goal.measured}, goal {goal.wanted}: {verdict}")
    return "\n".join(parts)


def _text_table(table: Table) -> str:
    lines = [list(table.columns), *map(list, table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    text = [f"\n{table.title}"] if table.title else [""]
    for line in lines:
        first, *rest = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join([first, *rest]).rstrip())
    return "\n".join(text)


def as_markdown(sections: Sequence[Section], machine: Iterable[tuple[str, str]], form: str) -> str:
    """Return the whole document: where it was measured, goals, what is in the way, then every section."""
    goals = [goal for section in sections for goal in section.goals]
    parts = [
        "# What things cost\n",
        'Written by `make bench BENCH_ARGS="--write docs/performance.md"`; do not edit it. '
        f"{form} Figures are medians with the lowest and the highest round in parentheses. Machines are "
        "noisy: compare figures of one run.\n",
        _markdown_table(Table(("", ""), list(machine))),
        "## Goals\n",
        _markdown_table(
            Table(
                ("", "goal", "measured", ""),
                [(goal.what, goal.wanted, goal.measured, goal.verdict) for goal in goals],
            )
        ),
    ]
    missed = [goal for goal in goals if goal.reached is not True]
    if missed:
        parts.append("## What stands in the way\n")
        parts += [_missed(goal) for goal in missed]
    for section in sections:
        parts += [f"## {section.title}\n", section.text]
        for table in section.tables:
            parts += [f"### {table.title}\n"] if table.title else []
            parts.append(_markdown_table(table))
        for table in section.profiles:
            parts += [f"### Profile: {table.title}\n", _SAMPLES, _markdown_table(table)]
    return "\n".join(parts)


_SAMPLES = """\
The innermost function in py-spy's samples, in Python or in C (there with the library that it is in).
"""


def _missed(goal: Goal) -> str:
    why = " ".join(goal.obstacle.split()) or "The figure is above."
    return f"- **{goal.what}** (goal {goal.wanted}, measured {goal.measured}): {why}\n"


def _markdown_table(table: Table) -> str:
    lines = [
        "| " + " | ".join(table.columns) + " |",
        "|" + "|".join("---" if place == 0 else "--:" for place in range(len(table.columns))) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows),
    ]
    return "\n".join(lines) + "\n"
