"""`tacita doctor` is green on parties that are right, and red on exactly the right rows where one is not."""

import pytest
from support.crooked import CREDENTIAL, TARGET, Crooked
from support.findings import examined, ids

from tacita.client.doctor.case import Case
from tacita.client.doctor.examination import checks_for
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Verdict, exit_code
from tacita.client.doctor.visitor import Visitor

MISCHIEF = {
    "a relay with a page for people": "relay.method",
    "a relay that takes any media type": "relay.media-type",
    "a relay that takes codings": "relay.content-coding",
    "a relay that reads before it refuses": "relay.length",
    "a relay with one gateway at any path": "relay.path",
    "a relay that changes answers": "relay.answer",
    "a relay with words of its own": "relay.refusal",
    "a cookie through the relay": "relay.fields",
    "a gateway's Retry-After through the relay": "relay.fields",
    "an answer that caches keep": "relay.no-store",
    "a relay that buffers": "relay.incremental",
    "a mirror without the challenge": "mirror.documents",
    "a mirror with another media type": "mirror.documents",
    "a mirror with another key to every second visitor": "mirror.same-for-all",
    "a mirror that knows its visitors": "mirror.same-for-all",
    "a mirror with another key": "mirror.agreement mirror.origin",
    "a mirror with an entity tag of its own": "mirror.etag",
    "a mirror that always sends all of it": "mirror.not-modified",
    "a mirror with the digest of another document": "mirror.content-digest",
    "a mirror with a cookie": "mirror.fields",
    "a mirror that keeps a document for a week": "mirror.lifetime",
    "a gateway with 400 for a wrong method": "gateway.method",
    "400 for a media type": "gateway.media-type",
    "no parameters taken": "gateway.media-type-parameters",
    "a gateway that ignores codings": "gateway.content-coding",
    "a gateway that reads before it refuses": "gateway.length",
    "a gateway with a page for any path": "gateway.path",
    "a gateway without discovery": "gateway.discovery",
    "a key list that goes on": "gateway.key-list",
    "two keys of one id": "gateway.key-ids",
    "a suite that nobody knows": "gateway.suites",
    "401 for an unknown key": "gateway.unknown-key gateway.one-refusal",
    "another problem type for a suite": "gateway.suite gateway.one-refusal",
    "a page for what does not open": "gateway.undecryptable gateway.one-refusal",
    "400 for what is cut": "gateway.malformed gateway.one-refusal",
    "a word on what did not open": "gateway.one-refusal",
    "500 for a bad message": "inside.malformed",
    "403 for CONNECT": "inside.connect",
    "no eye for Expect": "inside.expect",
    "any target": "inside.target",
    "a Date refused without its type": "inside.date",
    "no truncated messages": "inside.example stream.example",
    "no messages of indeterminate length": "inside.indeterminate",
    "401 without a challenge": "inside.token-missing",
    "a challenge for one client": "inside.token-missing",
    "a forged token taken": "inside.token-invalid",
    "403 in the clear": "inside.target inside.example inside.indeterminate relay.answer",
    "a stream without Incremental": "stream.incremental",
    "no large chunks": "stream.largest-chunk",
    "a gateway that waits for the whole request": "stream.early",
    "a one-shot answer to a chunked request": "stream.form stream.example stream.largest-chunk stream.early "
    "token.second-use token.stream",
    "a challenge without its padding": "challenge.document",
    "a challenge with a context": "challenge.context",
    "a challenge for two origins": "challenge.origin",
    "a challenge of another issuer": "challenge.issuer",
    "a challenge without a budget": "challenge.budget",
    "a directory of plain JSON": "directory.media-type",
    "a directory that is cut": "directory.document",
    "a directory with a key of another kind": "directory.keys",
    "a directory with a relative URI": "directory.request-uri",
    "a directory without moments": "directory.not-before",
    "a directory with the oldest first": "directory.order",
    "a directory with three redeemable keys": "directory.issuing",
    "a directory with two keys of one short id": "directory.truncated-ids",
    "a directory that outlives its keys": "directory.lifetime",
    "an issuer without Allow": "issuer.method",
    "an issuer with a page for any path": "issuer.path",
    "an issuer that asks for no credential": "issuer.unauthenticated",
    "an issuer that takes any media type": "issuer.media-type",
    "an issuer that reads before it refuses": "issuer.length",
    "an issuer that fails on a bad batch": "issuer.malformed",
    "an issuer that signs under any key id": "issuer.unknown-key",
    "an issuer that signs ahead of time": "issuer.future-key",
    "an issuer that marks a token": "token.issued",
    "an issuer that grants too few": "token.issued",
    "good tokens refused": "token.accepted token.stream",
    "a token taken twice": "token.second-use",
    "a message served again": "token.replay",
    "a stream in one piece": "token.stream",
}

NOT_WRONG = {
    "no eye for the Date": {"inside.date": Verdict.NOT_APPLICABLE},
    "a relay that forwards no streams": {"relay.incremental": Verdict.OK},
    "no chunked form": {
        "gateway.malformed": Verdict.OK,
        "stream.form": Verdict.NOT_APPLICABLE,
        "stream.early": Verdict.NOT_APPLICABLE,
        "relay.incremental": Verdict.NOT_APPLICABLE,
        "token.second-use": Verdict.OK,
        "token.stream": Verdict.NOT_APPLICABLE,
    },
    "a relay that is no mirror": {"mirror.agreement": Verdict.NOT_APPLICABLE},
    "a target that fails": {"token.accepted": Verdict.UNTRIED, "token.second-use": Verdict.UNTRIED},
}


def subject_of(there: Crooked) -> Subject:
    return Subject.of_urls(
        relay=f"{there.relay}/gateway",
        mirrors=[f"{there.mirror}/gateway"],
        gateway=there.gateway,
        issuer=there.issuer,
        target=TARGET,
        model="any",
    )


async def test_all_is_well(there: Crooked) -> None:
    case = Case(subject_of(there), Visitor(seconds=2), CREDENTIAL)
    findings = await examined(case)
    assert ids(findings, Verdict.WRONG, Verdict.UNTRIED) == set(), findings
    assert ids(findings, Verdict.NOT_APPLICABLE) == {
        f"{p}.tls" for p in ("relay", "mirror", "gateway", "issuer")
    }
    assert exit_code(findings) == 0
    assert len({finding.id for finding in findings}) == len(findings)
    assert (case.fetched, case.spent) == (2, 2)
    # What it says that it has sent is what was received.
    assert case.visitor.requests == there.requests < 120


@pytest.mark.parametrize("mischief", MISCHIEF)
async def test_exactly_what_is_wrong_is_red(there: Crooked, mischief: str) -> None:
    there.mischief = mischief
    findings = await examined(Case(subject_of(there), Visitor(seconds=1), CREDENTIAL))
    assert mischief in there.looked_for
    assert ids(findings, Verdict.WRONG) == set(MISCHIEF[mischief].split()), [
        finding for finding in findings if finding.verdict is not Verdict.OK
    ]
    assert exit_code(findings) == 1
    assert all(finding.detail.endswith(".") for finding in findings if finding.verdict is Verdict.WRONG)


@pytest.mark.parametrize("mischief", NOT_WRONG)
async def test_what_others_may_do_differently(there: Crooked, mischief: str) -> None:
    there.mischief = mischief
    case = Case(subject_of(there), Visitor(seconds=1), CREDENTIAL)
    findings = await examined(case)
    assert mischief in there.looked_for
    verdicts = {finding.id: finding.verdict for finding in findings}
    assert {name: verdicts[name] for name in NOT_WRONG[mischief]} == NOT_WRONG[mischief], findings
    assert ids(findings, Verdict.WRONG) == set(), findings


async def test_the_account_key_is_shown_to_nobody_but_the_issuer_that_was_named(there: Crooked) -> None:
    there.mischief = "a directory with another server's URI"
    case = Case(subject_of(there), Visitor(seconds=1), CREDENTIAL)
    findings = await examined(case)
    assert there.mischief in there.looked_for
    assert there.asked_with == set()
    assert ids(findings, Verdict.WRONG) == {"challenge.issuer"}
    assert {"issuer.method", "token.issued", "token.accepted"} <= ids(findings, Verdict.UNTRIED)
    assert (case.fetched, case.spent) == (0, 0)


def test_each_check_was_seen_red() -> None:
    here = "http://127.0.0.1:1"
    everything = Subject.of_urls(relay=f"{here}/gateway", gateway=here, issuer=here)
    red = {name for names in MISCHIEF.values() for name in names.split()}
    # Those of TLS are seen red in test_transport.py.
    assert {check.id for check in checks_for(everything) if not check.id.endswith(".tls")} == red
