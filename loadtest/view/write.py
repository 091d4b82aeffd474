"""The report's files."""

from pathlib import Path

from loadtest.analysis.report import Report
from loadtest.errors import ReportUnusable
from loadtest.settings import Outputs
from loadtest.view.html import to_html
from loadtest.view.markdown import to_markdown

__all__ = ["write_all"]


def write_all(outputs: Outputs, report: Report | None) -> None:
    """Write `report` wherever it is wanted; without one, only see that it could be.

    Raises:
        ReportUnusable: a file cannot be written.
    """
    wanted = (
        (outputs.json, lambda found: found.encode()),
        (outputs.markdown, lambda found: to_markdown(found).encode()),
        (outputs.html, lambda found: to_html(found).encode()),
    )
    for path, form in wanted:
        if path is not None:
            _write(path, form(report) if report is not None else None)


def _write(path: Path, content: bytes | None) -> None:
    try:
        with path.open("ab") as file:
            if content is not None:
                file.truncate(0)
                file.write(content)
    except OSError as error:
        raise ReportUnusable(f"{path} cannot be written: {error.strerror}.") from None
