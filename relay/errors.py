"""What the relay refuses by itself: the plain answers of RFC 9458, section 5.2.

`result` is the name under which a refusal is counted (`relay.meters`).
"""

from collections.abc import Mapping
from typing import ClassVar

from tacita.errors import LimitExceeded, TacitaError

__all__ = [
    "AnswerNotEncapsulated",
    "AnswerTooLong",
    "BodyMalformed",
    "ClientGone",
    "ContentCoded",
    "DocumentUnavailable",
    "ExchangeTooLong",
    "HttpTooOld",
    "MediaTypeUnknown",
    "NoContent",
    "ReaderTooSlow",
    "RelayError",
    "RequestTooLong",
    "RequestTooSlow",
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


class NoContent(RelayError):
    """The request has no content at all."""

    status = 400
    clause = "RFC 9458, section 5"
    result = "malformed"


class BodyMalformed(RelayError):
    """The framing of the request's content is broken."""

    status = 400
    clause = "RFC 9112, section 7.1"
    result = "malformed"


class RequestTooLong(LimitExceeded, RelayError):
    """The request's content is longer than the relay takes."""

    clause = "RFC 9458, section 5.2"
    result = "too_long"
    # The rest of the content is of no use to anybody.
    fields: Mapping[str, str] = {"Connection": "close"}


class RequestTooSlow(RelayError):
    """A piece of the request's content did not come in time."""

    status = 408
    result = "too_slow"
    fields: Mapping[str, str] = {"Connection": "close"}


class ExchangeTooLong(RelayError):
    """The exchange as a whole took longer than the relay allows."""

    status = 504
    result = "exchange_too_long"


class ClientGone(RelayError):
    """The client's connection broke; nobody reads the answer."""

    status = 400
    result = "client_gone"


class ReaderTooSlow(RelayError):
    """The client did not read its answer in time."""

    status = 408
    result = "reader_too_slow"


class AnswerNotEncapsulated(RelayError):
    """The gateway's answer is neither an encapsulated response nor an error."""

    status = 502
    clause = "RFC 9458, section 5"
    result = "not_encapsulated"


class AnswerTooLong(RelayError):
    """The gateway's answer is longer than the relay passes on."""

    status = 502
    result = "answer_too_long"


class DocumentUnavailable(TacitaError):
    """The mirror has no copy that is young enough to be served."""

    status = 503
