"""The relay seen from the gateway's side: ours is well, one that passes on what it gets is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from support.findings import examined, ids
from support.ports import free_port
from support.relays import Gateway, relay_running
from support.worlds import Handler

from tacita.client.doctor.case import Case
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Verdict, exit_code
from tacita.client.doctor.visitor import Visitor
from tacita.errors import ConfigError

NEEDED = {"Content-Type", "Content-Length"}
ROWS = {"relay.sent-fields", "relay.sent-address", "relay.sent-content", "relay.returned-fields"}


def relaying(
    port: int, *, back: bool = False, extra: str = "", body: bytes = b"", address: bool = False
) -> Handler:
    """Return a relay that forwards to `port`, and what else is said."""

    async def relay(request: web.Request) -> web.Response:
        fields = {name: request.headers[name] for name in NEEDED}
        if extra:
            fields[extra] = request.headers[extra]
        if address:
            fields["X-Client"] = str(request.remote)
        content = await request.read() + body
        fields["Content-Length"] = str(len(content))
        async with (
            ClientSession(skip_auto_headers=["Accept", "Accept-Encoding", "User-Agent"]) as session,
            session.post(f"http://127.0.0.1:{port}/message", data=content, headers=fields) as answer,
        ):
            kept = dict(answer.headers) if back else {"Content-Type": answer.headers["Content-Type"]}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    return relay


@pytest.mark.parametrize(
    ("wrong", "red"),
    [
        ({}, set()),
        ({"extra": "Cookie"}, {"relay.sent-fields"}),
        ({"extra": "X-Forwarded-For"}, {"relay.sent-fields"}),
        ({"address": True}, {"relay.sent-address"}),
        ({"body": b"more"}, {"relay.sent-content"}),
        ({"back": True}, {"relay.returned-fields"}),
    ],
    ids=str,
)
async def test_what_a_relay_sends(wrong: dict[str, object], red: set[str]) -> None:
    port = free_port()
    async with served(relaying(port, **wrong)) as origin:
        subject = Subject.of_recorded_relay(f"{origin}/gateway", f"127.0.0.1:{port}")
        findings = await examined(Case(subject, Visitor(seconds=3)))
    assert {finding.id for finding in findings} == ROWS
    assert ids(findings, Verdict.WRONG) == red, findings
    assert exit_code(findings) == bool(red)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serve without naming the software, which aiohttp would."""
    app = web.Application()
    app.router.add_route("*", "/gateway", handler)

    async def without_server(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)

    app.on_response_prepare.append(without_server)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_our_relay_sends_nothing_more_than_it_has_to() -> None:
    port = free_port()
    async with relay_running(Gateway(port=port).config(), wait=False) as relay:
        subject = Subject.of_recorded_relay(f"http://127.0.0.1:{relay.port}/one", f"127.0.0.1:{port}")
        findings = await examined(Case(subject, Visitor(seconds=3)))
    assert ids(findings, Verdict.OK) == ROWS, findings
    assert ", 0 of them without need" in findings[0].detail


async def test_a_relay_that_forwards_elsewhere() -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=502)

    async with served(elsewhere) as origin:
        subject = Subject.of_recorded_relay(f"{origin}/gateway", f"127.0.0.1:{free_port()}")
        findings = await examined(Case(subject, Visitor(seconds=3)))
    assert ids(findings, Verdict.UNTRIED) == ROWS


@pytest.mark.parametrize("address", ["", "9000", ":9000", "x:", "x:0", "x:70000", "x:y"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError):
        Subject.of_recorded_relay("http://127.0.0.1:1/gateway", address)
