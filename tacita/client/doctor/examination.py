"""All checks that a subject can be put to, one after the other."""

from collections.abc import AsyncIterator, Iterator

from tacita.client.doctor import (
    challenge,
    directory,
    gateway,
    inside,
    issuer,
    keys,
    mirrors,
    recording,
    refusals,
    relay,
    stream,
    tokens,
    transport,
)
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Finding

__all__ = ["checks_for", "examine"]


def checks_for(subject: Subject) -> Iterator[Check]:
    """Yield the checks of the parties that are there, in the order in which they are made."""
    if subject.recording is not None:
        yield from recording.CHECKS
        return
    if subject.relay is not None:
        yield transport.CHECKS["relay"]
        yield from relay.CHECKS
    if subject.mirrors:
        yield transport.CHECKS["mirror"]
        yield from mirrors.CHECKS
    if subject.gateway is not None:
        yield transport.CHECKS["gateway"]
        yield from gateway.CHECKS
    if subject.messages is not None:
        yield from keys.CHECKS
        yield from refusals.CHECKS
        yield from inside.CHECKS
        yield from stream.CHECKS
    if subject.mirrors or subject.gateway is not None:
        yield from challenge.CHECKS
    if subject.mirrors or subject.issuer is not None:
        yield from directory.CHECKS
    if subject.issuer is not None:
        yield transport.CHECKS["issuer"]
        yield from issuer.CHECKS
        if subject.messages is not None:
            yield from tokens.CHECKS


async def examine(case: Case) -> AsyncIterator[Finding]:
    """Make every check that applies, and yield what it found as soon as it is known."""
    for check in checks_for(case.subject):
        yield await check.run(case)
