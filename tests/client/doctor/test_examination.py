"""Which checks are made of whom, what becomes of them when nobody is there, and that garbage is a finding."""

import asyncio
import random
from pathlib import Path

import pytest
from aiohttp import web
from support import raw_http
from support.crooked import CREDENTIAL, TARGET, Crooked
from support.findings import examined, ids
from support.worlds import World, served, world_running

from tacita.client.doctor.case import Case
from tacita.client.doctor.examination import checks_for
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Verdict, exit_code
from tacita.client.doctor.visitor import Visitor
from tacita.privacypass.directory import WELL_KNOWN

MEDIA_TYPES = [
    "application/ohttp-keys",
    "application/json",
    "application/private-token-issuer-directory",
    "message/ohttp-res",
    "message/ohttp-chunked-res",
    "application/problem+json",
]


async def test_the_real_roles_are_well(tmp_path: Path) -> None:
    async with world_running(tmp_path) as world:
        case = Case(subject_of(world), Visitor(), world.credential)
        findings = await examined(case)
    assert ids(findings, Verdict.WRONG, Verdict.UNTRIED) == set(), findings
    assert {name for name in ids(findings, Verdict.NOT_APPLICABLE) if not name.endswith(".tls")} == {
        "token.stream"
    }
    assert (case.fetched, case.spent) == (1, 1)


def subject_of(world: World) -> Subject:
    endpoints = world.endpoints
    assert endpoints.gateway is not None
    return Subject.of_urls(
        relay=endpoints.relay.messages,
        mirrors=[endpoints.mirror.gateway_keys.removesuffix("/keys")],
        gateway=endpoints.gateway.messages,
        issuer=endpoints.issuer.token_request.removesuffix("/token-request"),
        target=endpoints.target.url,
    )


@pytest.mark.parametrize("party", ["relay", "mirror", "gateway", "issuer"])
async def test_each_party_by_itself(there: Crooked, party: str) -> None:
    subject = {
        "relay": Subject.of_urls(relay=f"{there.relay}/gateway", target=TARGET),
        "mirror": Subject.of_urls(mirrors=[f"{there.mirror}/gateway"]),
        "gateway": Subject.of_urls(gateway=there.gateway, target=TARGET),
        "issuer": Subject.of_urls(issuer=there.issuer),
    }[party]
    findings = await examined(Case(subject, Visitor(seconds=1), CREDENTIAL))
    assert ids(findings, Verdict.WRONG, Verdict.UNTRIED) == set(), findings
    assert party in {finding.id.partition(".")[0] for finding in findings}
    assert len(ids(findings, Verdict.OK)) > 7


async def test_the_issuer_without_an_account(there: Crooked) -> None:
    findings = await examined(Case(Subject.of_urls(issuer=there.issuer), Visitor(seconds=1)))
    assert "issuer.media-type" in ids(findings, Verdict.NOT_APPLICABLE)
    assert "issuer.unauthenticated" in ids(findings, Verdict.OK)
    assert there.asked_with == set()
    assert exit_code(findings) == 0


async def test_an_account_that_is_not_known(there: Crooked) -> None:
    subject = Subject.of_urls(gateway=there.gateway, issuer=there.issuer, target=TARGET)
    findings = await examined(Case(subject, Visitor(seconds=1), "canary-credential-7"))
    assert {"token.issued", "issuer.malformed"} <= ids(findings, Verdict.UNTRIED)
    assert exit_code(findings) == 2
    assert "canary" not in repr(findings)


async def test_nobody_is_there() -> None:
    subject = Subject.of_urls(
        relay="http://127.0.0.1:1/gateway",
        mirrors=["http://127.0.0.1:2/gateway"],
        gateway="http://127.0.0.1:3",
        issuer="http://127.0.0.1:4",
    )
    case = Case(subject, Visitor(seconds=1), CREDENTIAL)
    findings = await examined(case)
    assert ids(findings, Verdict.WRONG, Verdict.OK) == set()
    assert len(ids(findings, Verdict.UNTRIED)) > 60
    assert exit_code(findings) == 2
    # Whoever is not there is not asked again.
    assert case.visitor.requests == 4


async def test_a_gateway_alone_stands_in_for_all_that_it_publishes(there: Crooked) -> None:
    there.mischief = "a relay that is no mirror"
    subject = Subject.of_urls(relay=f"{there.relay}/gateway", gateway=there.gateway, target=TARGET)
    findings = await examined(Case(subject, Visitor(seconds=1)))
    assert ids(findings, Verdict.WRONG, Verdict.UNTRIED) == set(), findings
    assert {"mirror.documents", "directory.order"} <= ids(findings, Verdict.NOT_APPLICABLE)


@pytest.mark.parametrize("seed", range(8))
async def test_garbage_is_a_finding_and_never_a_crash(seed: int) -> None:
    drawn = random.Random(seed)

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        kind = drawn.choice(MEDIA_TYPES)
        body = drawn.choice(
            [b"", b"{}", b"[]", b'{"challenge": 1}', b"null", drawn.randbytes(drawn.randrange(400))]
        )
        fields = {
            "Content-Type": kind,
            "ETag": drawn.choice(['"x"', "\xfc", "W/"]),
            "Cache-Control": drawn.choice(["max-age=99999999999999", "=,=", "no-cache"]),
            "Content-Digest": "sha-256=:x:",
            "WWW-Authenticate": drawn.choice(["PrivateToken", 'PrivateToken challenge="', "\xff"]),
        }
        return web.Response(
            status=drawn.choice([200, 200, 200, 304, 401, 422, 429, 500]), body=body, headers=fields
        )

    async with served(answer) as origin:
        findings = await examined(Case(everybody(origin), Visitor(seconds=1), CREDENTIAL))
    assert ids(findings, Verdict.WRONG)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"])
async def test_what_is_no_http_is_a_finding_too(said: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        await writer.drain()

    async with raw_http.serving(handle) as port:
        findings = await examined(Case(everybody(f"http://127.0.0.1:{port}"), Visitor(seconds=1), CREDENTIAL))
    assert ids(findings, Verdict.OK) == set()
    assert exit_code(findings) == 2


def everybody(origin: str) -> Subject:
    return Subject.of_urls(
        relay=f"{origin}/gateway",
        mirrors=[f"{origin}/gw"],
        gateway=origin,
        issuer=origin,
        target=TARGET,
        model="any",
    )


def test_ids_are_unique_and_name_their_party() -> None:
    checks = list(checks_for(everybody("http://127.0.0.1:1")))
    assert len({check.id for check in checks}) == len(checks)
    assert {check.id.partition(".")[0] for check in checks} == {
        *("relay", "mirror", "gateway", "issuer", "token"),
        *("inside", "stream", "challenge", "directory"),
    }
    assert all(check.says[0] and not check.says.endswith(".") and check.clause for check in checks)


def test_where_the_parties_are() -> None:
    subject = Subject.of_urls(
        gateway="https://g.example", issuer="https://i.example:443/", relay="https://r.example/x"
    )
    assert subject.gateway == "https://g.example/.well-known/ohttp-gateway"
    assert subject.issuer == f"https://i.example{WELL_KNOWN}"
    assert subject.origin("challenge") == "https://g.example/challenge"
    assert subject.sources("gateway_keys") == [subject.gateway, "https://r.example/x/keys"]
    assert subject.messages == subject.gateway
    subject = Subject.of_urls(gateway="https://g.example/gateway", keys="https://g.example/ohttp-keys")
    assert subject.gateway == "https://g.example/gateway"
    assert subject.sources("gateway_keys") == ["https://g.example/ohttp-keys"]
    assert Subject.of_urls(gateway="https://g.example/x").sources("gateway_keys") == [
        "https://g.example/.well-known/ohttp-gateway"
    ]
