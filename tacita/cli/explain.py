"""What each party saw of one request: computed from the bytes that were handed to it.

No cell is prose. A secret counts as seen by a party if it stands in the clear in what that
party was handed; a party's address column is filled if the client's connection ended there.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.table import Table
from rich.text import Text

from tacita.client.record import Party, Recorder, View

__all__ = ["Secrets", "as_json", "as_table"]

_COLUMNS = ("address", "account", "token", "question", "answer")
_TOKEN = re.compile(rb"PrivateToken token=\"[A-Za-z0-9_=-]+\"")
_CONTENT = re.compile(rb'"content"\s*:\s*("(?:[^"\\]|\\.)*")')
"""Where chat completions hold what people and models say. Searched for as a member, and not as mere
text, since a short question stands in ciphertext, or in a header field, by chance."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is looked for: the account's credential, the question, and the pieces of the answer."""

    credential: str = field(repr=False)
    question: str = field(repr=False)
    answer: Sequence[str] = field(repr=False)

    def seen(self, view: View) -> dict[str, bool]:
        """Return for each column whether `view` shows it."""
        return {
            "address": bool(view.address),
            "account": self.credential.encode() in view.sent,
            "token": _TOKEN.search(view.sent) is not None,
            "question": self.question in _contents(view.sent),
            "answer": bool(self.answer) and _contents(view.received).issuperset(self.answer),
        }


def _contents(data: bytearray) -> set[str]:
    found = set()
    for match in _CONTENT.finditer(data):
        try:
            found.add(json.loads(match[1]))
        except ValueError:
            continue
    return found


def as_json(recorder: Recorder, secrets: Secrets) -> dict[str, dict[str, object]]:
    """Return the table for programs: a boolean for each column, and byte counts."""
    return {
        party.value: {
            **secrets.seen(view),
            "bytes_sent": len(view.sent),
            "bytes_received": len(view.received),
        }
        for party, view in recorder.views.items()
    }


def as_table(recorder: Recorder, secrets: Secrets) -> Table:
    """Return the table for people, at most 80 columns wide."""
    table = Table(
        title="What each party saw",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in ("party", *_COLUMNS):
        table.add_column(column, overflow="fold")
    table.add_column("bytes to", justify="right")
    table.add_column("from", justify="right")
    for party, view in recorder.views.items():
        seen = secrets.seen(view)
        cells = [_cell(column, seen[column], view) for column in _COLUMNS]
        table.add_row(party.value, *cells, str(len(view.sent)), str(len(view.received)))
    if not recorder.views[Party.ISSUER].sent:
        table.caption = "The issuer had no part in this: the token was fetched earlier."
        table.caption_justify = "left"
    return table


def _cell(column: str, shown: bool, view: View) -> Text:
    if not shown:
        return Text("no", style="green")
    return Text(view.address.rpartition(":")[0] if column == "address" else "yes", style="yellow")
