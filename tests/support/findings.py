"""What tests of `tacita doctor` ask of an examination."""

from collections.abc import Iterable

from tacita.client.doctor.case import Case
from tacita.client.doctor.examination import examine
from tacita.client.doctor.verdicts import Finding, Verdict

__all__ = ["examined", "ids"]


async def examined(case: Case) -> list[Finding]:
    """Return all findings of an examination."""
    return [finding async for finding in examine(case)]


def ids(findings: Iterable[Finding], *verdicts: Verdict) -> set[str]:
    """Return the ids of the checks that ended in one of these ways."""
    return {finding.id for finding in findings if finding.verdict in verdicts}
