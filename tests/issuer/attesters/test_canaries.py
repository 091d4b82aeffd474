"""Who somebody is stays with the attester: through a whole issuer, for each attester and each way to fail.

Looked at are what the issuer answers, logs and counts, what its quota database holds, and what the
code that signs can see.
"""

import asyncio
import json
import logging
import ssl
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support import rsa
from support.canaries import Canaries, contents
from support.certificates import LOOPBACK, Authority
from support.issuer_hosts import HOSTS, hosted
from support.issuers import add_account, ask_one, config_text
from support.json_server import json_server
from support.provider import AUDIENCE, ISSUER, provider

from issuer.app import EVENTS
from issuer.attesters.choice import attester_of
from issuer.config import IssuerConfig
from issuer.invitations import Invitations
from issuer.keys import fixed
from issuer.meters import Meters
from issuer.quota.sqlite import SqliteQuota
from issuer.token_requests import PATH
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import best_signer
from tacita.net.tls import server_context
from tacita.privacypass.issuing import IssuingKey, IssuingKeys
from tacita.service.config import load
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics

NAME = "alice-of-the-canaries"


@dataclass
class Case:
    """One attester: its table, good and bad credentials, how it breaks, and what must not be seen."""

    table: str
    good: dict[str, str]
    wrong: Sequence[dict[str, str]]
    break_down: Callable[[], Awaitable[None]]
    secrets: dict[str, bytes]
    tiers: str = "tiers = { standard = 1000 }"
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    broken_status: int = 503


async def nothing() -> None:
    """There is nothing to break."""


@asynccontextmanager
async def api_key(folder: Path) -> AsyncIterator[Case]:
    good = add_account(folder, NAME)
    file = folder / "accounts.json"
    identity = json.loads(file.read_text())["accounts"][0]

    async def break_down() -> None:
        file.write_text(f"{NAME} broke it")

    secrets = {"name": NAME, "credential": good["Authorization"][7:], "id": identity["id"]}
    yield Case(
        'kind = "api-key", accounts = "accounts.json"',
        good,
        [{"Authorization": f"Bearer {NAME}"}],
        break_down,
        {name: value.encode() for name, value in secrets.items()},
    )


@asynccontextmanager
async def jwt(_folder: Path) -> AsyncIterator[Case]:
    async with provider() as running:
        token = running.token(email=f"{NAME}@example")
        expired = running.token(exp=1)
        others = (running.token(number=1), running.token(aud=NAME), token[:-9], f"{token}.{NAME}")
        yield Case(
            f'kind = "jwt", issuer = "{ISSUER}", audience = "{AUDIENCE}", jwks_url = "{running.server.url}", '
            "refresh_seconds = 1, retry_seconds = 1, stale_seconds = 1",
            {"Authorization": f"Bearer {token}"},
            [{"Authorization": f"Bearer {one}"} for one in (*others, expired)],
            running.server.stop,
            {
                "name": NAME.encode(),
                "claims": token.split(".")[1].encode(),
                "signature": token[-40:].encode(),
            },
        )


@asynccontextmanager
async def mtls(folder: Path) -> AsyncIterator[Case]:
    clients, servers = Authority(folder / "clients"), Authority(folder / "servers", "servers")
    certificate, key = servers.issue("issuer", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    client = ssl.create_default_context(cafile=servers.certificate)
    path, own_key = clients.issue(NAME)
    client.load_cert_chain(path, own_key)
    yield Case(
        'kind = "mtls", account = "subject"',
        {},
        [],
        nothing,
        {"name": NAME.encode(), "certificate": ssl.PEM_cert_to_DER_cert(path.read_text())[60:120]},
        server_tls=server_context(certificate, key, clients.certificate, client_optional=True),
        client_tls=client,
        broken_status=200,
    )


@asynccontextmanager
async def invitation(folder: Path) -> AsyncIterator[Case]:
    invitations = Invitations(folder / "invitations.sqlite")
    (code,) = invitations.create(1, 3, 1, now=time.time())
    account = invitations._db.execute("SELECT account FROM invitations").fetchone()[0]

    async def break_down() -> None:
        invitations._db.execute("DROP TABLE invitations")
        invitations.close()

    yield Case(
        'kind = "invitation", database = "invitations.sqlite"',
        {"Authorization": f"Bearer {code}"},
        [{"Authorization": f"Bearer tacita_invite_{NAME}"}, {"Authorization": f"Bearer {code[:-1]}"}],
        break_down,
        {"code": code.encode()[14:], "account": account.encode(), "name": NAME.encode()},
        tiers="",
    )


@asynccontextmanager
async def webhook(folder: Path) -> AsyncIterator[Case]:
    secret = folder / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text("secret-of-the-issuer")
    credential = "Bearer credential-of-alice"
    async with json_server() as server:

        async def answer(question: bytes) -> tuple[int, bytes]:
            if json.loads(question)["credential"].get("authorization") == credential:
                return 200, json.dumps({"account": NAME, "tier": "standard"}).encode()
            return 403, NAME.encode()

        server.answer = answer
        yield Case(
            f'kind = "webhook", url = "{server.url}", secret = "webhook.secret", cache_seconds = 1',
            {"Authorization": credential},
            [{"Authorization": f"Bearer {NAME}"}],
            server.stop,
            {"name": NAME.encode(), "credential": credential.encode(), "secret": b"secret-of-the-issuer"},
        )


@dataclass
class Witness:
    """Signs, and writes down whatever the code on its stack can see."""

    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._signer = best_signer(rsa.private_key(0))

    @property
    def public_key(self) -> RsaPublicKey:
        return self._signer.public_key

    @property
    def modulus_size(self) -> int:
        return self._signer.modulus_size

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        for frame, _ in traceback.walk_stack(sys._getframe()):
            self.seen.append(repr(frame.f_locals))
        return self._signer.sign(blinded)


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """Everything that libraries log, with all their words."""
    stream, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("make", [api_key, jwt, mtls, invitation, webhook])
async def test_nobody_is_known_beyond_the_attester(
    tmp_path: Path, stream: StringIO, make: Callable[[Path], AbstractAsyncContextManager[Case]], host: str
) -> None:
    async with make(tmp_path) as case:
        await through_a_whole_issuer(case, host, tmp_path, stream)


async def through_a_whole_issuer(case: Case, host: str, folder: Path, stream: StringIO) -> None:
    text = config_text().replace('kind = "api-key", accounts = "accounts.json"', case.table)
    text = text.replace("tiers = { standard = 1000 }", case.tiers)
    if case.server_tls is not None:
        files = 'tls_certificate = "unused", tls_private_key = "unused", tls_client_authority = "unused"'
        text = text.replace("listen = { port = 0 }", f"listen = {{ {files} }}")
    (folder / "issuer.toml").write_text(text)
    config = load(folder / "issuer.toml", IssuerConfig)
    metrics, witness = Metrics("issuer"), Witness()
    served = hosted(
        host,
        config.public_url,
        keys=fixed(IssuingKeys([IssuingKey(witness, 1_700_006_400, may_issue=True)])),
        attester=attester_of(config.attester, config.tiers),
        quota=SqliteQuota(config.quota.database, bytes(32), 86_400),
        limits=config.limits,
        meters=Meters(metrics),
        log=Logger("issuer", EVENTS, stream=stream),
        tls=case.server_tls,
    )
    answers = b""

    async def ask(session: aiohttp.ClientSession, credential: dict[str, str]) -> int:
        nonlocal answers
        asked = ask_one()
        async with session.post(PATH, data=asked.body, headers=credential | asked.headers) as response:
            answers += await response.read() + repr(response.headers).encode()
            return response.status

    connector = aiohttp.TCPConnector(ssl=case.client_tls or True)
    scheme = "https" if case.server_tls else "http"
    async with (
        served as port,
        aiohttp.ClientSession(f"{scheme}://127.0.0.1:{port}", connector=connector) as session,
    ):
        assert await ask(session, case.good) == 200
        for wrong in case.wrong:
            assert await ask(session, wrong) == 401
        if case.tiers == "":
            assert [await ask(session, case.good) for _ in range(3)] == [200, 200, 403]
        await case.break_down()
        status = await ask(session, case.good)
        while status == 200 != case.broken_status:  # until what it keeps is too old
            await asyncio.sleep(0.2)
            status = await ask(session, case.good)
        assert status == case.broken_status

    assert witness.seen
    canaries = Canaries(case.secrets)
    stored = b"".join(
        content for path, content in contents(folder).items() if path.name.startswith("quota.sqlite")
    )
    for said in (
        answers,
        stream.getvalue().encode(),
        metrics.render(),
        stored,
        "".join(witness.seen).encode(),
    ):
        assert not canaries.in_bytes(said)
