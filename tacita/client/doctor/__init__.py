"""Conformance of a running relay, gateway and issuer, ours or anybody else's, from the outside only.

    subject = Subject.of_deployment(Path("state"))
    async for finding in examine(Case(subject, Visitor(), credential)):
        print(finding.id, finding.verdict.value, finding.detail)

`subject` says who is examined, `visitor` asks (and counts), `case` holds what was learnt so far;
each party has a module of small checks; `examination` runs them one after the other. A check is right,
wrong, not applicable, or could not be tried, and says in a sentence why.
"""
