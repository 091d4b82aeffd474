"""What the relay refuses by itself: the plain answers of RFC 9458, section 5.2.

`result` is the name under which a refusal is counted (`relay.meters`). What can go wrong with any
request, its framing and its pace, stands in `tacita.net.message`.
"""

from collections.abc import Mapping
from typing import ClassVar

from tacita.errors import LimitExceeded, TacitaError

__all__ = [
    "AnswerNotEncapsulated",
    "AnswerTooLong",
    "ContentCoded",
    "CoverFull",
    "DocumentUnavailable",
    "ExchangeTooLong",
    "GatewayUnknown",
    "HttpTooOld",
    "IncrementalRefused",
    "MediaTypeUnknown",
    "NoContent",
    "NotOptedIn",
    "OverBudget",
    "RelayError",
    "RequestTooLong",
    "TooEarly",
    "TooManyRequests",
]


class RelayError(TacitaError):
    """An exchange that the relay refused or could not finish."""

    clause: ClassVar[str] = "RFC 9458, section 5.2"
    result: ClassVar[str]


class MediaTypeUnknown(RelayError):
    """The content is not said to be an encapsulated request."""

    status = 415
    result = "media_type"


class ContentCoded(RelayError):
    """The content has a content coding, which would have to be told to the gateway."""

    status = 415
    clause = "RFC 9110, section 15.5.16"
    result = "media_type"
    fields: Mapping[str, str] = {"Accept-Encoding": "identity"}


class HttpTooOld(RelayError):
    """HTTP/1.0 cannot show that a streamed answer was cut short."""

    status = 505
    clause = "RFC 9112, section 8"
    result = "http_version"


class TooEarly(RelayError):
    """A front took the request as early data of TLS, which anybody can send a second time."""

    status = 425
    clause = "RFC 8470, section 5.2"
    result = "too_early"


class IncrementalRefused(RelayError):
    """The request is to be passed on as it comes, which the relay does not do for this gateway."""

    status = 501
    clause = "RFC 10036, section 4.1"
    result = "incremental_refused"
    fields: Mapping[str, str] = {"Proxy-Status": "tacita-relay; error=incremental_refused"}


class NotOptedIn(RelayError):
    """The gateway has not shown by its key configurations that it wants to be one."""

    status = 503
    clause = "RFC 9540, section 5"
    result = "not_opted_in"


class CoverFull(RelayError):
    """As many messages wait for each other as the relay holds for this gateway."""

    status = 503
    result = "cover_full"


class OverBudget(RelayError):
    """The gateway has had its share of the relay."""

    status = 503
    result = "over_budget"


class NoContent(RelayError):
    """The request has no content at all."""

    status = 400
    clause = "RFC 9458, section 5"
    result = "malformed"


class RequestTooLong(LimitExceeded, RelayError):
    """The request's content is longer than the relay takes."""

    clause = "RFC 9458, section 5.2"
    result = "too_long"
    # The rest of the content is of no use to anybody.
    fields: Mapping[str, str] = {"Connection": "close"}


class ExchangeTooLong(RelayError):
    """The exchange as a whole took longer than the relay allows."""

    status = 504
    result = "exchange_too_long"


class AnswerNotEncapsulated(RelayError):
    """The gateway's answer is neither an encapsulated response nor an error."""

    status = 502
    clause = "RFC 9458, section 5"
    result = "not_encapsulated"


class AnswerTooLong(RelayError):
    """The gateway's answer is longer than the relay passes on."""

    status = 502
    result = "answer_too_long"


class GatewayUnknown(TacitaError):
    """No gateway of that name takes requests here (any more)."""

    status = 404
    clause = "RFC 9458, section 5.2"


class DocumentUnavailable(TacitaError):
    """The mirror has no copy that is young enough to be served."""

    status = 503


class TooManyRequests(TacitaError):
    """The network that the request comes from has had its share. The same words for everybody."""

    status = 429
    clause = "RFC 6585, section 4"
