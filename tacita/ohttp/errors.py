"""What Oblivious HTTP refuses.

Toward a gateway's peer there is one refusal, `RequestRefused`: its leaves differ in
`reason`, which is for a counter, and in nothing that is sent. A client is told more
about its own exchange, for it is the only one to hear it.
"""

from typing import ClassVar

from tacita.errors import CryptoError, DecodeError, LimitExceeded, TacitaError

__all__ = [
    "ExchangeClosed",
    "KeyListTooLong",
    "MalformedKeyConfig",
    "MalformedRequest",
    "NoUsableKey",
    "RequestRefused",
    "RequestTruncated",
    "ResponseRefused",
    "ResponseTruncated",
    "SuiteNotOffered",
    "UndecryptableRequest",
    "UnknownKey",
    "UnsupportedKem",
]


class MalformedKeyConfig(DecodeError):
    """Bytes are not a key configuration, or not a list of them; the whole list is to be discarded."""

    clause = "RFC 9458, Section 3"


class UnsupportedKem(DecodeError):
    """A key configuration is for a KEM that is not implemented, so its key cannot be read."""

    clause = "RFC 9458, Section 3.1"


class KeyListTooLong(LimitExceeded):
    """A list of key configurations is longer than any that we would publish."""

    clause = "RFC 9458, Section 3.2"


class NoUsableKey(CryptoError):
    """No published key configuration names algorithms that are implemented here."""

    clause = "RFC 9458, Section 3"


class RequestRefused(CryptoError):
    """A gateway cannot open a request. All leaves give the peer the same answer."""

    status = 422
    problem_type = "https://iana.org/assignments/http-problem-types#ohttp-key"
    clause = "RFC 9458, Section 6.4"
    reason: ClassVar[str] = "refused"

    def __init__(self) -> None:
        super().__init__(
            "The encapsulated request does not open with a current key configuration; "
            "fetch the configuration again and encapsulate afresh."
        )


class UnknownKey(RequestRefused):
    """The key identifier names no current key."""

    reason = "unknown_key"


class SuiteNotOffered(RequestRefused):
    """The key is known, but its configuration does not offer these algorithms."""

    reason = "suite"


class MalformedRequest(RequestRefused):
    """The message is too short, or its chunks have lengths that none may have."""

    reason = "malformed"


class UndecryptableRequest(RequestRefused):
    """The message was not sealed to the key, or was altered."""

    reason = "undecryptable"


class RequestTruncated(RequestRefused):
    """A chunked request ended before its final chunk."""

    reason = "truncated"


class ResponseRefused(CryptoError):
    """A response does not belong to the request, or was altered."""

    status = 502
    clause = "RFC 9458, Section 4.4"
    sentence: ClassVar[str] = "The encapsulated response does not open; do not use any of it."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class ResponseTruncated(ResponseRefused):
    """A chunked response ended before its final chunk: what came so far is genuine, and not all."""

    clause = "draft-ietf-ohai-chunked-ohttp-08, Section 7.1"
    sentence = "The chunked response ended before its final chunk; treat what came of it as incomplete."


class ExchangeClosed(TacitaError):
    """A chunked message was used after its end, after an error, or out of order."""
