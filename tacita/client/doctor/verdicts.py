"""What a check can find. It returns where all is well, and raises one of these where it is not."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tacita.errors import TacitaError

__all__ = ["Finding", "Missing", "NotApplicable", "Untried", "Verdict", "Wrong", "exit_code"]


class Verdict(Enum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    NOT_APPLICABLE = "not-applicable"
    UNTRIED = "untried"


class Wrong(TacitaError):
    """The party does something else than it should; the sentence says what."""


class NotApplicable(TacitaError):
    """The check has nothing to look at here; the sentence says why."""


class Untried(TacitaError):
    """The check could not be made; the sentence says what stood in the way."""


class Missing(Untried):
    """Nobody who was asked has the document that the check would look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: `says` is what has to hold by `clause`, `detail` what was found."""

    id: str
    says: str
    clause: str
    verdict: Verdict
    detail: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 where anything is wrong, else 2 where anything could not be tried, else 0."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.WRONG in verdicts:
        return 1
    return 2 if Verdict.UNTRIED in verdicts else 0
