"""What is wrong with a Binary HTTP message, one leaf for each rule of RFC 9292.

A message that broke one rule must not be processed further (Section 4). Because
decoding is incremental, events may have been handed out before the fault was seen.
"""

from tacita.errors import DecodeError, LimitExceeded, TacitaError

__all__ = [
    "ControlDataTooLarge",
    "FieldsTooLarge",
    "InvalidControlData",
    "InvalidField",
    "InvalidMessage",
    "InvalidPadding",
    "InvalidStatus",
    "OutOfOrder",
    "TooManyInformational",
    "TruncatedMessage",
    "UnexpectedFraming",
]


class InvalidMessage(DecodeError):
    """The bytes are not a Binary HTTP message of the kind that was expected."""

    clause = "RFC 9292, Section 4"


class UnexpectedFraming(InvalidMessage):
    """The framing indicator is unknown, or a request stands where a response should, or the reverse."""

    clause = "RFC 9292, Section 3.3"


class InvalidControlData(InvalidMessage):
    """A method, scheme, authority or path breaks the rules of HTTP/2."""

    clause = "RFC 9292, Section 3.4"


class InvalidStatus(InvalidMessage):
    """A status code is out of the range that its place allows."""

    clause = "RFC 9292, Section 3.5"


class InvalidField(InvalidMessage):
    """A field line breaks the rules of HTTP/2 or of its section's framing."""

    clause = "RFC 9292, Section 3.6"


class InvalidPadding(InvalidMessage):
    """Something other than zeros follows the message."""

    clause = "RFC 9292, Section 3.8"


class TruncatedMessage(InvalidMessage):
    """The message ends where the format does not allow it to."""

    clause = "RFC 9292, Section 3.8"


class FieldsTooLarge(LimitExceeded):
    """A field section is larger than the decoder's bound."""

    status = 431
    clause = "RFC 6585, Section 5"


class ControlDataTooLarge(LimitExceeded):
    """Method, scheme, authority and path together are larger than the decoder's bound."""

    status = 414
    clause = "RFC 9110, Section 15.5.15"


class TooManyInformational(LimitExceeded):
    """More informational responses precede the final one than the decoder's bound allows."""

    clause = "RFC 9292, Section 8"


class OutOfOrder(TacitaError):
    """Our own mistake: an encoder or decoder was called after its end, or in the wrong order."""
