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
_SHORTEST = 4
"""Pieces of an answer shorter than this are not searched for: they stand in anything by chance."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is looked for: the account's credential, the question, and the pieces of the answer."""

    credential: str = field(repr=False)
    question: str = field(repr=False)
    answer: Sequence[str] = field(repr=False)

    def seen(self, view: View) -> dict[str, bool]:
        """Return for each column whether `view` shows it."""
        pieces = [piece for piece in self.answer if len(piece) >= _SHORTEST]
        return {
            "address": bool(view.address),
            "account": view.shows(self.credential.encode()),
            "token": _TOKEN.search(view.sent) is not None,
            "question": view.shows(_in_json(self.question)),
            "answer": bool(pieces) and all(_in_json(piece) in view.received for piece in pieces),
        }


def _in_json(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def as_json(recorder: Recorder, secrets: Secrets) -> dict[str, dict[str, object]]:
    """Return the table for programs: a boolean for each column, and byte counts."""
    return {
        party.value: {
            **secrets.seen(recorder.views[party]),
            "bytes_sent": len(recorder.views[party].sent),
            "bytes_received": len(recorder.views[party].received),
        }
        for party in Party
    }


def as_table(recorder: Recorder, secrets: Secrets) -> Table:
    """Return the table for people."""
    table = Table(
        "party", *_COLUMNS, title="What each party saw of yours", title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("bytes in", justify="right")
    table.add_column("back", justify="right")
    for party in Party:
        view = recorder.views[party]
        if party is Party.ISSUER and not view.sent:
            table.add_row(party.value, *["-"] * len(_COLUMNS), "0", "0")
            table.caption = "The issuer saw nothing of this: the token was fetched earlier."
            continue
        seen = secrets.seen(view)
        cells = [_cell(column, seen[column], view) for column in _COLUMNS]
        table.add_row(party.value, *cells, str(len(view.sent)), str(len(view.received)))
    return table


def _cell(column: str, shown: bool, view: View) -> Text:
    if not shown:
        return Text("no", style="green")
    return Text(view.address.rpartition(":")[0] if column == "address" else "yes", style="yellow")
