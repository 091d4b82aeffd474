"""Client certificates: what they say by themselves, and through real handshakes with a running issuer."""

import asyncio
import datetime
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from contracts.attester import AttesterContract
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from support import processes
from support.certificates import LOOPBACK, Authority
from support.clocks import Clock
from support.issuers import ask_one, charged, config_text
from support.ports import free_ports

from issuer.attesters import Attester, Evidence
from issuer.attesters.config import MutualTlsConfig
from issuer.attesters.mutual_tls import MutualTlsAttester
from issuer.errors import AttestationRefused, CertificateMissing, CertificateRefused
from tacita.privacypass.directory import WELL_KNOWN, IssuerDirectory
from tacita.privacypass.types import blind_rsa

TIERS = {"standard": 20}


def evidence(certificate: bytes) -> Evidence:
    return Evidence(CIMultiDict(), certificate)


def attester(account: Any = "key", clock: Clock | None = None) -> MutualTlsAttester:
    return MutualTlsAttester(MutualTlsConfig(account=account), TIERS, clock=clock or time.time)


class TestContract(AttesterContract):
    depends = False

    @pytest.fixture(autouse=True)
    def _authority(self, tmp_path: Path) -> None:
        self.clock = Clock(time.time())
        self.authority = Authority(tmp_path / "authority")
        self.certificate = self.authority.issue_der("alice-of-the-canaries")

    def make(self) -> Attester:
        return attester(clock=self.clock)

    async def vouched(self) -> Evidence:
        return evidence(self.certificate)

    async def wrong(self) -> Evidence:
        """No certificate at all: one of somebody else's would not come through the handshake."""
        return evidence(self.certificate[:-1])

    async def withdraw(self) -> None:
        self.clock.now += 3_601


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


URI = x509.UniformResourceIdentifier("spiffe://example/alice")


async def test_by_key(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first, renewed, other = [
        await attester("key").attest(evidence(authority.issue_der(name, key=own)))
        for name, own in (("alice", key), ("renamed", key), ("alice", None))
    ]
    assert first.id == renewed.id != other.id
    assert first.quota == 20


async def test_by_subject(authority: Authority) -> None:
    first, renewed, other = [
        await attester("subject").attest(evidence(authority.issue_der(name)))
        for name in ("alice", "alice", "bob")
    ]
    assert first.id == renewed.id != other.id
    with pytest.raises(CertificateRefused):
        await attester("subject").attest(evidence(authority.issue_der("", alternative=[URI])))


async def test_by_alternative_name(authority: Authority) -> None:
    names = (URI, x509.DNSName("example"), x509.RFC822Name("example"))
    accounts = [
        await attester("san").attest(evidence(authority.issue_der(subject, alternative=[name])))
        for name in names
        for subject in ("alice", "")
    ]
    assert [accounts[place].id == accounts[place + 1].id for place in (0, 2, 4)] == [True] * 3
    assert len({account.id for account in accounts}) == 3


@pytest.mark.parametrize("names", [[], [URI, x509.DNSName("example")], [URI, URI], [LOOPBACK]])
async def test_alternative_names_that_leave_it_open(
    authority: Authority, names: list[x509.GeneralName]
) -> None:
    with pytest.raises(CertificateRefused):
        await attester("san").attest(evidence(authority.issue_der("alice", alternative=names)))


async def test_a_certificate_that_expires_on_a_kept_connection(authority: Authority) -> None:
    certificate = authority.issue_der("alice", ends=datetime.timedelta(minutes=5))
    clock = Clock(time.time())
    one = attester(clock=clock)
    assert await one.attest(evidence(certificate))
    for moment in (clock.now + 301, clock.now - 7_300):
        clock.now = moment
        with pytest.raises(CertificateRefused):
            await one.attest(evidence(certificate))


async def test_none_and_too_much() -> None:
    with pytest.raises(CertificateMissing):
        await attester().attest(Evidence(CIMultiDict({"Authorization": "Bearer x"})))
    with pytest.raises(CertificateRefused):
        await attester().attest(evidence(bytes(16_385)))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return Authority(tmp_path_factory.mktemp("authority")).issue_der("alice", alternative=[URI])


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.data())
def test_garbage_is_read_or_refused(sample: bytes, data: st.DataObject) -> None:
    changed = bytearray(sample)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    for account in ("key", "subject", "san"):
        with suppress(AttestationRefused):
            asyncio.run(attester(account).attest(evidence(bytes(changed))))


@dataclass
class Place:
    """A running issuer that ends TLS itself."""

    url: str
    server_authority: Path
    role: processes.Role

    @asynccontextmanager
    async def session(self, identity: tuple[Path, Path] | None) -> AsyncIterator[aiohttp.ClientSession]:
        context = ssl.create_default_context(cafile=self.server_authority)
        if identity is not None:
            context.load_cert_chain(*identity)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(self.url, connector=connector) as session:
            yield session


@pytest.fixture
async def place(tmp_path: Path, authority: Authority) -> AsyncIterator[Place]:
    servers = Authority(tmp_path / "servers", "servers")
    certificate, key = servers.issue("issuer", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    port, admin_port = free_ports(2)
    files = {
        "tls_certificate": certificate,
        "tls_private_key": key,
        "tls_client_authority": authority.certificate,
    }
    listen = f"listen = {{ port = {port}, " + ", ".join(f'{name} = "{file}"' for name, file in files.items())
    text = (
        config_text(admin_port=admin_port)
        .replace("listen = { port = 0 ", listen)
        .replace('{ kind = "api-key", accounts = "accounts.json" }', '{ kind = "mtls" }')
    )
    async with processes.role("issuer", text, tmp_path, admin_port=admin_port) as role:
        yield Place(f"https://127.0.0.1:{port}", servers.certificate, role)


async def directory(session: aiohttp.ClientSession) -> IssuerDirectory:
    async with session.get(WELL_KNOWN) as response:
        assert response.status == 200
        return IssuerDirectory.from_json(await response.read())


async def ask(session: aiohttp.ClientSession) -> int:
    """Ask for one token under the newest key that issues; return the status."""
    keys = (await directory(session)).token_keys
    (key,) = [key for key in keys if key.not_before is not None and key.not_before <= time.time()][:1]
    asked = ask_one(blind_rsa.PublicKey(key.public_key))
    async with session.post("/token-request", data=asked.body, headers=asked.headers) as response:
        if response.status == 200:
            assert len(asked.tokens(await response.read())) == 1
        return response.status


@pytest.mark.e2e
async def test_a_running_issuer(place: Place, authority: Authority, tmp_path: Path) -> None:
    alice, bob = authority.issue("alice"), authority.issue("bob")
    for identity in (alice, alice, bob):
        async with place.session(identity) as session:
            assert await ask(session) == 200
    assert sorted(charged(tmp_path)) == [1, 2]

    async with place.session(None) as session:
        assert await ask(session) == 403  # and the directory was there for it

    foreign = Authority(tmp_path / "foreign").issue("alice")
    expired = authority.issue("alice", ends=-datetime.timedelta(minutes=1))
    server = authority.issue("alice", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for identity in (foreign, expired, server):
        async with place.session(identity) as session:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await directory(session)

    assert sorted(charged(tmp_path)) == [1, 2]
    assert await place.role.stop() == 0
    assert "alice" not in place.role.output()
