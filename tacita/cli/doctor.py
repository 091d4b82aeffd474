"""`tacita doctor`: what a running relay, gateway and issuer do, row by row, and what finding out has cost."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tacita.client.doctor.case import Case
from tacita.client.doctor.examination import examine
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Finding, Verdict, exit_code
from tacita.client.doctor.visitor import Visitor
from tacita.client.issuance import read_credential
from tacita.errors import ConfigError
from tacita.net import tls

__all__ = ["run"]

_STYLES = {
    Verdict.OK: "green",
    Verdict.WRONG: "bold red",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.UNTRIED: "yellow",
}
_WORDS = {
    Verdict.OK: "ok",
    Verdict.WRONG: "WRONG",
    Verdict.NOT_APPLICABLE: "n/a",
    Verdict.UNTRIED: "untried",
}
_UNUSABLE = 2


async def run(options: argparse.Namespace) -> int:
    """Examine, and print what was found. Returns 0, 1 where anything is wrong, 2 where it is not known."""
    try:
        case = _case(options)
    except ConfigError as error:
        print(f"tacita: {error}", file=sys.stderr)
        return _UNUSABLE
    findings: list[Finding] = []
    with Console(stderr=True, highlight=False).status("examining") as status:
        async for finding in examine(case):
            findings.append(finding)
            status.update(f"examining: {len(findings)} checks, {case.visitor.requests} requests")
    if options.json:
        print(json.dumps(_document(case, findings)))
    else:
        console = Console(highlight=False)
        console.print(_table(findings))
        console.print(_summary(case, findings), soft_wrap=True)
    return exit_code(findings)


def _case(options: argparse.Namespace) -> Case:
    """Return the examination that `options` ask for. Raises `ConfigError`."""
    named = (options.relay, options.gateway, options.issuer, options.keys, options.target, *options.mirror)
    if options.deployment is not None:
        if any(named) or options.recording_gateway is not None:
            raise ConfigError("Name either a deployment or single parties.")
        subject = Subject.of_deployment(options.deployment)
    elif options.recording_gateway is not None:
        if options.relay is None or any(named[1:]):
            raise ConfigError("With a recording gateway name the relay, and nobody else.")
        subject = Subject.of_recorded_relay(options.relay, options.recording_gateway)
    else:
        subject = Subject.of_urls(
            relay=options.relay,
            mirrors=options.mirror,
            gateway=options.gateway,
            issuer=options.issuer,
            keys=options.keys,
            target=options.target,
            model=options.model,
        )
    key = options.account_key or subject.account_key
    return Case(
        subject,
        Visitor(None if options.ca is None else tls.client_context(options.ca)),
        None if key is None else read_credential(key),
    )


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(
        "check", "verdict", "what has to hold, and what was found", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for finding in findings:
        style = _STYLES[finding.verdict]
        words = Text(finding.says)
        if finding.verdict is Verdict.WRONG:
            words.append(f" ({finding.clause})")
        if finding.detail:
            words.append(f": {finding.detail}", style=style)
        table.add_row(Text(finding.id), Text(_WORDS[finding.verdict], style=style), words)
    return table


def _summary(case: Case, findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    verdicts = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in Verdict)
    return (
        f"{verdicts}. It took {case.visitor.requests} requests; "
        f"{case.fetched} tokens were fetched, {case.spent} of them spent."
    )


def _document(case: Case, findings: Sequence[Finding]) -> dict[str, object]:
    counts = Counter(finding.verdict for finding in findings)
    return {
        "checks": [
            {
                "id": finding.id,
                "says": finding.says,
                "clause": finding.clause,
                "verdict": finding.verdict.value,
                "detail": finding.detail,
            }
            for finding in findings
        ],
        "verdicts": {verdict.value: counts[verdict] for verdict in Verdict},
        "requests": case.visitor.requests,
        "tokens": {"fetched": case.fetched, "spent": case.spent},
    }
