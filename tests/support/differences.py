"""What the data planes do differently: the one table, which tests expect and the documents show.

python tests/support/differences.py docs/relay-data-planes.md     # bring the document's table up to date

Everything that a test of tests/relay/blackbox does not look up here is the same on all three.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DIFFERENCES", "Difference", "brought_up_to_date", "outcome"]


@dataclass(frozen=True)
class Difference:
    """`relay`, `nginx` and `haproxy` are what happens there, and what a test looks for."""

    key: str
    what: str
    relay: str
    nginx: str
    haproxy: str
    why: str


DIFFERENCES = (
    Difference(
        "wrong answer",
        "The gateway answers 2xx or 3xx with something that is no encapsulated response",
        "502",
        "passes, as application/octet-stream",
        "502",
        "nginx cannot look at an answer before it passes it. Clients refuse it by its media type.",
    ),
    Difference(
        "reason phrase",
        "The words behind the gateway's status code",
        "replaced",
        "pass",
        "replaced",
        "nginx copies the status line. Clients do not read the words.",
    ),
    Difference(
        "long stream",
        "A request in chunks that gets longer than request_bytes",
        "413",
        "413",
        "passes",
        "haproxy counts announced lengths only. The gateway has a limit of its own.",
    ),
    Difference(
        "long answer",
        "An answer in chunks that gets longer than response_bytes",
        "cut",
        "passes",
        "passes",
        "Neither counts what streams through.",
    ),
    Difference(
        "long announced answer",
        "An answer that announces more than response_bytes",
        "502",
        "passes",
        "502",
        "nginx has no such limit.",
    ),
    Difference(
        "long exchange",
        "An exchange that is alive for longer than exchange_seconds",
        "504",
        "goes on",
        "goes on",
        "Both bound the silence between two pieces, not the whole.",
    ),
    Difference(
        "whole stream",
        "A request in chunks that has arrived whole with its head",
        "goes on in chunks",
        "goes on with a length",
        "goes on in chunks",
        "nginx knows the length by then. That it came in one piece is in the times, too.",
    ),
    Difference(
        "one-shot in pieces",
        "A one-shot request arrives in pieces, and is not Incremental",
        "gathered, up to 64 KiB",
        "passes as it comes",
        "gathered, up to 16 KiB",
        "nginx gathers all or none, and what is long in a file. What streams passes as it comes everywhere.",
    ),
    Difference(
        "slow request",
        "A client stops in the middle of its request",
        "408",
        "closed without an answer",
        "408",
        "nginx answers no request whose content it passes on as it comes.",
    ),
    Difference(
        "slow stream",
        "A client stops in the middle of a request in chunks",
        "408",
        "closed without an answer",
        "504 after gateway_piece_seconds",
        "haproxy waits for both sides together.",
    ),
    Difference(
        "full",
        "As many exchanges as `connections` allows are under way",
        "503 after connect_seconds",
        "503 at once",
        "503 after connect_seconds",
        "nginx has no queue.",
    ),
    Difference(
        "unreachable",
        "No connection to the gateway, or none that it could prove to be its own",
        "502",
        "502",
        "502 or 503",
        "haproxy has one status for this and for being full; 502 where it had a connection kept.",
    ),
    Difference(
        "no HTTP",
        "The gateway answers with something that is not HTTP",
        "502",
        "passes as it is",
        "502",
        "nginx takes it for an answer of HTTP/0.9. No client takes it for one.",
    ),
    Difference(
        "length and chunks",
        "Content-Length and Transfer-Encoding in one request",
        "refused",
        "refused",
        "the length is dropped",
        "RFC 9112, section 6.1, allows both. The gateway sees one framing.",
    ),
    Difference(
        "folded line",
        "A field that goes on in a second line",
        "refused",
        "refused",
        "unfolded",
        "RFC 9112, section 5.2, allows both. The gateway sees one line.",
    ),
    Difference(
        "second Content-Type",
        "Two Content-Type fields in one request",
        "refused",
        "the first counts",
        "refused",
        "nginx 1.22 keeps the first; newer ones refuse it.",
    ),
    Difference(
        "request trailers",
        "Trailer fields behind a request in chunks",
        "dropped",
        "dropped",
        "pass",
        "haproxy before 3.1 cannot drop them. Tacita's clients send none.",
    ),
    Difference(
        "early hints",
        "The gateway sends a 103 before its answer",
        "dropped",
        "passes as the answer",
        "passes",
        "No gateway of Tacita's sends any.",
    ),
)


def outcome(key: str, plane: str) -> str:
    """Return what the table says of `key` for `plane`."""
    (found,) = [one for one in DIFFERENCES if one.key == key]
    told: str = getattr(found, plane)
    return told


_BEGIN, _END = "<!-- from tests/support/differences.py -->", "<!-- end -->"


def _table() -> str:
    rows = [("what", "relay", "nginx", "haproxy", "why")]
    rows += [(one.what, one.relay, one.nginx, one.haproxy, one.why) for one in DIFFERENCES]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def brought_up_to_date(document: str) -> str:
    """Return `document` with the table as it is now."""
    pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
    return pattern.sub(lambda _: f"{_BEGIN}\n{_table()}\n{_END}", document)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(brought_up_to_date(path.read_text()))
