"""Why a request was not made, or not answered. Each sentence is for the person who asked."""

from tacita.errors import TacitaError

__all__ = [
    "AnswerRefused",
    "AnswerTruncated",
    "CredentialRefused",
    "IssuanceRefused",
    "OuterRefusal",
    "QuotaUsedUp",
    "SourcesDisagree",
    "WalletEmpty",
]


class SourcesDisagree(TacitaError):
    """Two mirrors show different keys: one of them may be shown to this client alone."""


class CredentialRefused(TacitaError):
    """The issuer does not know the account."""


class QuotaUsedUp(TacitaError):
    """The account has had its tokens for this period."""


class IssuanceRefused(TacitaError):
    """The issuer did not answer with tokens."""


class WalletEmpty(TacitaError):
    """There is no token that the gateway would take."""


class OuterRefusal(TacitaError):
    """Relay or gateway refused the message before it was opened, or in the name of the gateway.

    Such an answer is not authenticated. It proves nothing about the token, which may be spent.
    """


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
