"""TLS: 1.3 only is right, 1.2 beside it or alone is wrong, and so is none at all on another machine."""

import ssl
from pathlib import Path

import pytest
from aiohttp import web
from support.certificates import self_signed

from tacita.client.doctor.case import Case
from tacita.client.doctor.subject import Subject
from tacita.client.doctor.transport import CHECKS
from tacita.client.doctor.verdicts import Finding, Verdict
from tacita.client.doctor.visitor import Visitor
from tacita.net import tls

V = ssl.TLSVersion


async def gateway_found(tmp_path: Path, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> Finding:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.minimum_version, context.maximum_version = lowest, highest
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        visitor = Visitor(tls.client_context(certificate))
        return await CHECKS["gateway"].run(Case(Subject.of_urls(gateway=url), visitor))
    finally:
        await runner.cleanup()


async def test_only_1_3(tmp_path: Path) -> None:
    assert (await gateway_found(tmp_path, V.TLSv1_3, V.TLSv1_3)).verdict is Verdict.OK


@pytest.mark.parametrize("highest", [V.TLSv1_2, V.TLSv1_3])
async def test_1_2_as_well(tmp_path: Path, highest: ssl.TLSVersion) -> None:
    found = await gateway_found(tmp_path, V.TLSv1_2, highest)
    assert (found.id, found.verdict, found.detail) == ("gateway.tls", Verdict.WRONG, "It speaks TLS 1.2.")


async def test_none_at_all() -> None:
    far = Case(Subject.of_urls(relay="http://relay.invalid/gateway"), Visitor())
    assert (await CHECKS["relay"].run(far)).verdict is Verdict.WRONG
    near = Case(Subject.of_urls(relay="http://127.0.0.1:1/gateway"), Visitor())
    assert (await CHECKS["relay"].run(near)).verdict is Verdict.NOT_APPLICABLE
    assert (await CHECKS["issuer"].run(near)).verdict is Verdict.NOT_APPLICABLE


async def test_nobody_is_there() -> None:
    case = Case(Subject.of_urls(issuer="https://127.0.0.1:1"), Visitor())
    assert (await CHECKS["issuer"].run(case)).verdict is Verdict.UNTRIED
