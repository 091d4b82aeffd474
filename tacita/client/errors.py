"""Why a request was not made, or not answered. Each sentence is for the person who asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from tacita.errors import TacitaError
from tacita.net.upstream import UpstreamError, UpstreamLost, UpstreamTimeout

__all__ = [
    "AnswerRefused",
    "AnswerTruncated",
    "CredentialRefused",
    "IssuanceRefused",
    "KeyRefused",
    "OuterRefusal",
    "QuotaUsedUp",
    "SourcesDisagree",
    "WalletEmpty",
    "WalletUnavailable",
    "speaking_of",
]


class SourcesDisagree(TacitaError):
    """Two mirrors show different keys: one of them may be shown to this client alone."""

    clause = "RFC 9576, Section 6.2"


class CredentialRefused(TacitaError):
    """The issuer does not know the account."""


class QuotaUsedUp(TacitaError):
    """The account has had its tokens for this period."""


class IssuanceRefused(TacitaError):
    """The issuer did not answer with tokens."""

    clause = "draft-ietf-privacypass-batched-tokens-09, Section 6.2"


class WalletEmpty(TacitaError):
    """There is no token that the gateway would take."""


class WalletUnavailable(TacitaError):
    """The wallet's file cannot be read or written at the moment."""


class OuterRefusal(TacitaError):
    """Relay or gateway refused the message before it was opened, or in the name of the gateway.

    Such an answer is not authenticated. It proves nothing about the token, which may be spent.
    """

    clause = "RFC 9458, Section 5.2"


class KeyRefused(OuterRefusal):
    """It is said that the gateway has no such key, or could not open the message."""

    clause = "RFC 9458, Section 6.4"


class AnswerRefused(TacitaError):
    """The gateway or the target answered, authenticated, with an error.

    `inner_status` is its status, `detail` what it said: for the person's eyes, so it is no part of
    the exception's text, which may end in a log.
    """

    def __init__(self, sentence: str, inner_status: int, detail: str) -> None:
        super().__init__(sentence)
        self.inner_status = inner_status
        self.detail = detail


class AnswerTruncated(TacitaError):
    """The answer broke off: what came is genuine, and not all."""

    clause = "draft-ietf-ohai-chunked-ohttp-08, Section 7.1"


@contextmanager
def speaking_of(party: str) -> Iterator[None]:
    """Have an `UpstreamError` of the block say that it was `party` ("the relay") who failed."""
    try:
        yield
    except UpstreamError as error:
        kind = type(error)
        sentence = "cannot be reached; try again later."
        if isinstance(error, UpstreamLost):
            sentence = "broke the connection off; try again later."
        elif isinstance(error, UpstreamTimeout):
            sentence = "took too long; try again later."
        raise kind(f"{party[0].upper()}{party[1:]} {sentence}") from None
