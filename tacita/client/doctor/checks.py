"""A check: a stable id, what has to hold, the clause that says so, and the function that looks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tacita.client.doctor.case import Case
from tacita.client.doctor.verdicts import Finding, NotApplicable, Untried, Verdict
from tacita.errors import TacitaError
from tacita.net.upstream import UpstreamError

__all__ = ["OURS", "Check", "Look", "check"]

Look = Callable[[Case], Awaitable[str | None]]
"""Returns, with a word on what was seen if there is one, where all is well; raises where it is not."""

OURS = "Tacita"
"""The clause of what Tacita promises beyond the specifications: docs/doctor.md says why of each."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Its id begins with whom it is about, and never changes its meaning."""

    id: str
    says: str
    clause: str
    look: Look

    async def run(self, case: Case) -> Finding:
        """Look, and return what was found. Anything malformed is wrong; anybody absent leaves it untried."""
        verdict, detail = Verdict.OK, ""
        try:
            detail = await self.look(case) or ""
        except NotApplicable as reason:
            verdict, detail = Verdict.NOT_APPLICABLE, str(reason)
        except (Untried, UpstreamError) as reason:
            verdict, detail = Verdict.UNTRIED, str(reason)
        except TacitaError as reason:
            verdict, detail = Verdict.WRONG, str(reason)
        return Finding(self.id, self.says, self.clause, verdict, detail)


def check(identifier: str, says: str, clause: str) -> Callable[[Look], Check]:
    """Make a check of a function."""
    return lambda look: Check(identifier, says, clause, look)
