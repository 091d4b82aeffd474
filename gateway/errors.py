"""Why the gateway says no. `OuterError`s are answered in the clear, all others inside the encapsulation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from tacita.errors import TacitaError

__all__ = [
    "AnswerTooLong",
    "BadInnerMessage",
    "BadTargetAnswer",
    "DateRefused",
    "ExpectationRefused",
    "IssuerKeysMissing",
    "OuterError",
    "RelayUnknown",
    "RelayUnnamed",
    "ReplayRoomFull",
    "RequestReplayed",
    "RequestTooLong",
    "RequestTooSlow",
    "TargetNotAllowed",
    "TargetTooSlow",
    "TokenMissing",
    "TokenRefused",
    "TooBusy",
    "UnsupportedMediaType",
]


class OuterError(TacitaError):
    """Concerns the message around the encapsulation; the relay sees it."""


class RelayUnnamed(OuterError):
    """The relay does not show a secret that is known."""

    status = 401
    clause = "RFC 6750, Section 3"
    fields: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class RelayUnknown(OuterError):
    """The relay's certificate hangs on the right authority, but its key is not one of the pinned ones."""

    status = 403


class UnsupportedMediaType(OuterError):
    """The body is not an encapsulated request."""

    status = 415
    clause = "RFC 9458, Section 5.2"


class RequestTooLong(OuterError):
    """The encapsulated request is longer than one token buys."""

    status = 413


class RequestTooSlow(OuterError):
    """The encapsulated request took longer to arrive than one token buys."""

    status = 408


class TooBusy(OuterError):
    """As many exchanges are under way as this process takes."""

    status = 503


class BadInnerMessage(TacitaError):
    """The request inside cannot be forwarded as HTTP."""

    status = 400
    clause = "RFC 9292, Section 4"


class ExpectationRefused(TacitaError):
    """The request inside wants to negotiate before it sends its content, which costs privacy."""

    status = 417
    clause = "RFC 9458, Section 5.2"


class DateRefused(TacitaError):
    """The clock of the client and ours are too far apart."""

    status = 400
    problem_type = "https://iana.org/assignments/http-problem-types#date"
    clause = "RFC 9458, Section 6.5.2"

    def __init__(self, now: float) -> None:
        super().__init__(
            "The Date of the request is too far from the gateway's clock; set it and retry once."
        )
        self.fields: Mapping[str, str] = {
            "Date": format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
        }


class RequestReplayed(TacitaError):
    """The same encapsulated request was served before."""

    status = 400
    clause = "RFC 9458, Section 6.5"


class ReplayRoomFull(TacitaError):
    """A relay has brought as many messages as are remembered for it; another could be served twice."""

    status = 503
    clause = "RFC 9458, Section 6.5"


class TargetNotAllowed(TacitaError):
    """The origin inside is not one that this gateway forwards to."""

    status = 403


class TargetTooSlow(TacitaError):
    """The target did not finish in the time that one token buys."""

    status = 504


class BadTargetAnswer(TacitaError):
    """The target answered with something that cannot be carried."""

    status = 502


class AnswerTooLong(TacitaError):
    """The target's answer is longer than one token buys."""

    status = 502


class _TokenError(TacitaError):
    status = 401
    clause = "RFC 9577, Section 2"

    def __init__(self, sentence: str, www_authenticate: str) -> None:
        super().__init__(sentence)
        self.fields: Mapping[str, str] = {"WWW-Authenticate": www_authenticate}


class TokenMissing(_TokenError):
    """The request inside carries no PrivateToken."""


class TokenRefused(_TokenError):
    """The token is forged, spent, of another issuer, or for another challenge."""


class IssuerKeysMissing(TacitaError):
    """The gateway does not know the keys of the token's issuer at the moment."""

    status = 503
