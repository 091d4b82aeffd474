"""The HTML report: one file, nothing fetched, opened in a real browser in light and in dark."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.load_reports import full, report, scenario

from loadtest.view.html import to_html
from loadtest.view.markdown import to_markdown

_ADDRESSES = {"src", "href", "action", "srcset", "xlink:href", "data"}


class Reader(HTMLParser):
    """Collects what a browser would fetch, and sees that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [name for name, _ in attributes if name in _ADDRESSES]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    reader.close()
    return reader


def test_nothing_is_fetched_and_words_stay_words() -> None:
    document = to_html(full())
    reader = read(document)
    assert reader.fetched == []
    assert reader.open == []
    assert not {"script", "link", "img", "b-canary"} & reader.tags
    assert "url(" not in document
    assert "@import" not in document
    assert "http:" not in document
    assert "ask <b>&" in reader.text
    assert "240 of 12,000 requests were answered 502" in reader.text


def test_a_report_of_nothing_is_a_report() -> None:
    for made in (report(), report(ask=scenario(1_000, 0)), report(ask=scenario(1_000, 1))):
        assert read(to_html(made)).open == []
        assert to_markdown(made).startswith("# Load report")


def test_no_number_of_a_plot_is_none() -> None:
    for path in re.findall(r'd="([^"]*)"', to_html(full())):
        assert re.fullmatch(r"(?:[ML]-?[\d.]+,-?[\d.]+|H[\d.]+V[\d.]+)*", path), path[:80]


def test_markdown_has_the_account_and_the_goal() -> None:
    text = to_markdown(full())
    assert "| ask | 11,760 | 196/s |" in text
    assert "**not met**" in text
    assert "| kill-gateway | 20.0 s | 23.5 s |" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it(tmp_path: Path, scheme: str) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    page, picture = tmp_path / "report.html", tmp_path / f"{scheme}.png"
    page.write_text(to_html(full()))
    shared = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
    ]
    done = subprocess.run(
        [*shared, "--window-size=900,2600", f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        timeout=90,
        check=True,
    )
    assert b"bytes written" in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    # A page that is blank, or an error page, compresses to a tenth of this.
    assert picture.stat().st_size > 80_000
    shown = subprocess.run(
        [*shared, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=90, check=True
    ).stdout
    assert shown.count("<svg") == 5
    assert "Latency by quantile" in shown
    if keep := os.environ.get("TACITA_SCREENSHOTS"):
        shutil.copy(picture, Path(keep) / f"load-report-{scheme}.png")
