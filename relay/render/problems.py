"""The relay's plain refusals (RFC 9458, section 5.2) as the problem documents that a server is given."""

import json
from http import HTTPStatus

__all__ = ["ALLOWED_FOR_DOCUMENTS", "FIELDS", "PROBLEMS", "document"]

PROBLEMS = {
    400: "The request is not one of HTTP/1.1 with an encapsulated request as its content.",
    404: "There is nothing at this path.",
    405: "This path does not take that method; see Allow.",
    408: "The request came too slowly.",
    413: "The encapsulated request is longer than the relay takes.",
    414: "The request target is longer than the relay takes.",
    415: "Send message/ohttp-req or message/ohttp-chunked-req, without a content coding.",
    425: "Send the request again after the handshake.",
    431: "The header is longer than the relay takes.",
    500: "The relay failed.",
    501: "The relay does not pass requests to this gateway on as they come.",
    502: "The gateway cannot be reached, or its answer is none.",
    503: "The relay has no room for this exchange, or no document; try again later.",
    504: "The gateway took too long; try again later.",
    505: "The relay needs HTTP/1.1 or newer.",
}
"""The sentence of each status. None has a character that either server's language knows."""

FIELDS = {
    415: ("Accept-Encoding", "identity"),
    501: ("Proxy-Status", "tacita-relay; error=incremental_refused"),
}
"""The further field with which a status comes."""

ALLOWED_FOR_DOCUMENTS = "GET,HEAD"

_TITLES = {413: "Content Too Large"}


def document(status: int) -> str:
    """Return the problem document of `status` (RFC 9457), one line of ASCII without single quotes."""
    told = {
        "type": "about:blank",
        "title": _TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": PROBLEMS[status],
    }
    return json.dumps(told, separators=(",", ":"))
