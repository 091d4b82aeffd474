"""Why the issuer refuses: each leaf carries its status, its problem type and its header fields.

What a token request itself can have wrong stands in `tacita.privacypass`.
`result` is the label under which a refusal is counted.
"""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

from issuer.period import Period, utc_text
from tacita.errors import LimitExceeded, TacitaError

__all__ = [
    "AttestationRefused",
    "AttesterUnavailable",
    "Busy",
    "CertificateMissing",
    "CertificateRefused",
    "ClockSetBack",
    "CredentialMissing",
    "CredentialRefused",
    "IssuerError",
    "KeysUnavailable",
    "LimitReached",
    "OverBurst",
    "OverDailyLimit",
    "OverQuota",
    "QuotaUnavailable",
    "QuotaUsedUp",
    "RequestEncoded",
    "RequestTooLong",
    "RequestTooSlow",
    "SignerFailed",
    "SignerGone",
    "TooManyAtOnce",
    "TooManyRepeats",
]


class IssuerError(TacitaError):
    """A refusal of the issuer. `fields` are further header fields of the answer."""

    result: ClassVar[str] = "internal"
    fields: Mapping[str, str] = {}


class AttestationRefused(IssuerError):
    """The attester does not vouch for whoever asks. Says nothing about which accounts exist."""

    status = 401
    clause = "RFC 6750, Section 3"
    result = "unauthenticated"
    fields: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="issuer"'}


class CredentialMissing(AttestationRefused):
    """The request carries no credential that the attester could look at."""

    def __init__(self) -> None:
        super().__init__("This path wants a credential; send the one that the operator gave you.")


class CredentialRefused(AttestationRefused):
    """The credential is not a valid one, or not any more."""

    fields: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="issuer", error="invalid_token"'}

    def __init__(self) -> None:
        super().__init__("The credential is not valid here; ask the operator for a new one.")


class CertificateMissing(AttestationRefused):
    """The connection came without a client certificate. HTTP has no challenge for that, so it is no 401."""

    status = 403
    clause = "RFC 8446, Section 4.3.2"
    fields: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__("This path wants a client certificate; connect with the one of your operator.")


class CertificateRefused(AttestationRefused):
    """The client certificate is not valid any more, or says nothing that an account could be made of."""

    status = 403
    clause = "RFC 5280, Section 4.1.2.5"
    fields: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__("The client certificate is not valid here; ask the operator for a new one.")


class AttesterUnavailable(IssuerError):
    """The attester cannot tell; nobody is vouched for until it can."""

    status = 503
    result = "attester_down"

    def __init__(self) -> None:
        super().__init__("The issuer cannot check credentials at present; try again later.")


class LimitReached(IssuerError):
    """The account asks for more tokens than one of its limits leaves until that limit frees up.

    `fields` has Retry-After (seconds until then) and RateLimit (draft-ietf-httpapi-ratelimit-headers:
    which limit it was, and how many tokens are left of it until then). The problem type says which, too;
    those of our own are names, and nothing is served under them.
    """

    status = 429
    clause = "RFC 6585, Section 4"
    policy: ClassVar[str] = "tokens"
    """The name of the limit in RateLimit."""

    def __init__(self, sentence: str, frees: float, now: float, left: int) -> None:
        super().__init__(sentence)
        self.left = left
        wait = max(1, ceil(frees - now))
        self.fields = {"Retry-After": str(wait), "RateLimit": f'"{self.policy}";r={left};t={wait}'}


class OverQuota(LimitReached):
    """The account has fewer tokens left in this period than it asks for."""

    problem_type = "https://iana.org/assignments/http-problem-types#quota-exceeded"
    result = "over_quota"

    def __init__(self, period: Period, now: float, left: int) -> None:
        super().__init__(
            "Fewer tokens are left in this period than were asked for; "
            f"the next begins at {period.end_text}.",
            period.end,
            now,
            left,
        )


class OverDailyLimit(LimitReached):
    """The account has fewer tokens left on this day than it asks for. `frees` is when that changes."""

    problem_type = "https://tacita.invalid/problems/over-daily-limit"
    result = "over_daily_limit"
    policy = "day"

    def __init__(self, frees: float, now: float, left: int) -> None:
        super().__init__(
            f"Fewer tokens are left for today than were asked for; there are new ones at {utc_text(frees)}.",
            frees,
            now,
            left,
        )


class OverBurst(LimitReached):
    """The account may not have that many tokens at once. `frees` is when it may."""

    problem_type = "https://tacita.invalid/problems/over-burst"
    result = "over_burst"
    policy = "burst"

    def __init__(self, frees: float, now: float, left: int) -> None:
        super().__init__(
            f"So many tokens are not given at once; ask for fewer, or again at {utc_text(frees)}.",
            frees,
            now,
            left,
        )


class QuotaUsedUp(IssuerError):
    """The account has fewer tokens left than it asks for, and is not given new ones with the next period."""

    status = 403
    problem_type = OverQuota.problem_type
    result = "over_quota"

    def __init__(self, left: int) -> None:
        super().__init__(
            "Fewer tokens are left on this credential than were asked for, and it is not refilled."
        )
        self.left = left


class TooManyRepeats(IssuerError):
    """One request has been answered too often; to sign it again costs the issuer, not the account."""

    status = 429
    result = "too_many_repeats"

    def __init__(self) -> None:
        super().__init__("This very request has been answered too often; send one with new blinded messages.")


class QuotaUnavailable(IssuerError):
    """The quota cannot be read or written; no token is issued without it."""

    status = 503
    passing = True
    result = "quota_down"

    def __init__(self) -> None:
        super().__init__("The issuer cannot account for tokens at present; try again later.")


class ClockSetBack(IssuerError):
    """The clock stands before the newest period on record: counting that again would grant it twice."""

    status = 503
    result = "quota_down"

    def __init__(self) -> None:
        super().__init__(
            "The issuer's clock stands before its newest quota period; its operator has to set it right."
        )


class KeysUnavailable(IssuerError):
    """There is no key that may sign now: its folder could not be used for long, or the clock is wrong."""

    status = 503
    result = "no_key"

    def __init__(self) -> None:
        super().__init__("The issuer has no key to sign with at present; try again later.")


class SignerFailed(IssuerError):
    """The signer failed; no signature has left and the account was not charged."""

    status = 503
    result = "signing_failed"

    def __init__(self) -> None:
        super().__init__("The issuer cannot sign at present; try again later.")


class SignerGone(IssuerError):
    """The device that holds the key does not answer; nothing has left and the account was not charged."""

    status = 503
    result = "signer_gone"
    fields: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("The issuer cannot reach its keys at present; try again later.")


class Busy(IssuerError):
    """As many requests are under way as the issuer takes."""

    status = 503
    result = "busy"
    fields: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("The issuer is busy; try again in a moment.")


class TooManyAtOnce(IssuerError):
    """As many requests of one account are under way as it may have: what else is taken is for others."""

    status = 429
    clause = "RFC 6585, Section 4"
    problem_type = "https://tacita.invalid/problems/too-many-at-once"
    result = "too_many_at_once"
    fields: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("Too many requests of this account are under way; wait for some of them to end.")


class RequestTooLong(LimitExceeded, IssuerError):
    """The body is longer than the largest batch that the issuer takes."""

    result = "too_long"

    def __init__(self) -> None:
        super().__init__(
            "The body is longer than the largest batch that is taken here; ask for fewer tokens."
        )


class RequestEncoded(IssuerError):
    """The body is compressed, or otherwise not what its media type says."""

    status = 415
    clause = "RFC 9110, Section 15.5.16"
    result = "unsupported_type"
    fields: Mapping[str, str] = {"Accept-Encoding": "identity"}

    def __init__(self) -> None:
        super().__init__("The body has a content coding; send it as it is.")


class RequestTooSlow(IssuerError):
    """The body did not arrive within its time."""

    status = 408
    result = "too_slow"
    fields: Mapping[str, str] = {"Connection": "close"}

    def __init__(self) -> None:
        super().__init__("The body took too long to arrive; send the request again.")
