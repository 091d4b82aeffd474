"""A page for people: the digests of a gateway's documents as this relay mirrors them, and how to compare.

A relay that shows some people other keys than the rest could tell these people apart by them. It is
caught by comparing, and this page makes that possible without any program. It is the same for everybody,
has no script, and loads nothing.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape

from aiohttp import web

from relay.document import DOCUMENTS
from relay.mirror import Mirror
from tacita.net.documents import Document
from tacita.service.documents import respond

__all__ = ["Fingerprints"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0; }
p { margin: .5rem 0; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid; border-radius: .4rem; }
code, pre { font: 1rem/1.6 ui-monospace, "DejaVu Sans Mono", monospace; }
.digest span { display: inline-block; margin-right: .7em; }
.note { opacity: .75; font-size: .9rem; }
"""

_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_FIELDS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_TITLES = {
    "keys": "Key configurations",
    "challenge": "Token challenge",
    "issuer-directory": "Issuer directory",
}


class Fingerprints:
    """The page of the gateway `name`, whose documents `mirrors` keep."""

    def __init__(self, name: str, mirrors: Mapping[str, Mirror]) -> None:
        self._name = name
        self._mirrors = mirrors

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a GET or HEAD."""
        answer = respond(request, Document(self.page().encode(), "text/html; charset=utf-8", 0))
        answer.headers.update(_FIELDS)
        return answer

    def page(self) -> str:
        """Return the page as it is at this minute."""
        name = escape(self._name)
        parts = "".join(self._part(document) for document in DOCUMENTS)
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>Fingerprints of {name}</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Fingerprints of the gateway “{name}”</h1>\n"
            "<p>This relay gives everybody the same bytes. Whoever gets other ones, from here or elsewhere, "
            "may be singled out by them: do not use keys whose fingerprints differ.</p>\n"
            f"{parts}<h2>How to compare</h2>\n"
            "<p>Ask for the document over another network, from another relay that mirrors this gateway, or "
            "from the gateway itself, and compare the SHA-256 of what comes with the digest above:</p>\n"
            f"<pre>curl -s https://<i>this relay</i>/{name}/keys | sha256sum\n"
            f"curl -s https://<i>another relay</i>/<i>its name for the gateway</i>/keys | sha256sum</pre>\n"
            "<p>Documents change when keys do. After a change, mirrors may differ for some minutes; if they "
            "differ for longer, one of them is wrong. <code>tacita doctor --mirror</code> compares as many "
            "as you name.</p>\n</body>\n</html>\n"
        )

    def _part(self, document: str) -> str:
        mirror = self._mirrors[document]
        copy = mirror.present()
        title = f"<h2>{_TITLES[document]}</h2>\n<p><code>/{escape(self._name)}/{document}</code></p>\n"
        if copy is None:
            return f"{title}<p>The relay has no present copy.</p>\n"
        digest = copy.document.digest.hex()
        groups = "".join(f"<span>{digest[place : place + 8]}</span>" for place in range(0, len(digest), 8))
        return (
            f'{title}<p class="digest"><code>{groups}</code></p>\n'
            f'<p class="note">SHA-256 of {len(copy.document.body)} bytes. The same '
            f"since {_minute(mirror.since)}, last seen at the origin {_minute(mirror.confirmed)}.</p>\n"
        )


def _minute(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
