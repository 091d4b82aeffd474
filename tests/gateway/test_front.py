"""Who comes in: secrets and certificates of relays, what becomes of them, and a room for each."""

import asyncio
import hashlib
import secrets
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from support import raw_http
from support.certificates import LOOPBACK, Authority
from support.gateways import PATH, Place, get, message, token
from support.ports import free_ports
from support.processes import Role, role

from gateway.config import FrontConfig
from gateway.errors import OuterError
from gateway.front import Front, key_digest
from gateway.observe import Observations
from gateway.replay import ANONYMOUS
from tacita import bhttp
from tacita.errors import ConfigError
from tacita.ohttp import oneshot
from tacita.ohttp.keyconfig import KeyConfig, decode_list
from tacita.service.metrics import Metrics

ROOM_FOR_ONE = "[replay]\nrequests_per_second = 0.000001"
KEYS = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n"


@dataclass
class Relay:
    """A relay: its secret, or how it speaks TLS."""

    port: int
    secret: str = ""
    context: ssl.SSLContext | None = None

    @property
    def field(self) -> str:
        return f"Authorization: Bearer {self.secret}\r\n" if self.secret else ""

    async def raw(self, data: str | bytes, *more: str | bytes) -> tuple[int, dict[str, str], bytes]:
        """Send messages over one connection; return status, fields and body of the last answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        try:
            for one in (data, *more):
                writer.write(one if isinstance(one, bytes) else one.encode())
                head = await raw_http.read_head(reader)
                body = await raw_http.read_body(reader, head)
        finally:
            writer.close()
        return int(head.split()[1]), raw_http.fields(head), body

    async def keys(self) -> list[KeyConfig]:
        status, _, body = await self.raw(KEYS + self.field + "\r\n")
        assert status == 200
        return decode_list(body)

    async def ask(self, request: bhttp.Request) -> int:
        """Return the status inside."""
        (config, *_) = await self.keys()
        sealed, context = oneshot.encapsulate_request(config, bhttp.encode_request(request))
        status, _, body = await self.raw(message(sealed, extra=self.field))
        assert status == 200
        return bhttp.decode_response(context.decapsulate_response(body)).head.status


@asynccontextmanager
async def running(place: Place, front: str, **changes: Any) -> AsyncIterator[tuple[Role, int]]:
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, front=front, **changes)
    async with role("gateway", text, place.folder, admin_port=admin_port) as process:
        yield process, port


def write_secrets(place: Place, *some: str) -> None:
    path = place.folder / "relays.secret"
    path.write_text("\n".join(some) + "\n")
    path.chmod(0o600)


@pytest.mark.e2e
async def test_without_its_secret_nobody_is_let_in_by_any_way(place: Place) -> None:
    secret = secrets.token_hex(32)
    write_secrets(place, secret)
    async with running(place, 'bearer = "relays.secret"') as (process, port):
        stranger, relay = Relay(port), Relay(port, secret)
        keys, challenge = KEYS + "{}\r\n", "GET /challenge HTTP/1.1\r\nHost: x\r\n{}\r\n"
        for field in (
            "",
            f"Authorization: Bearer {secrets.token_hex(32)}\r\n",
            f"Authorization: Bearer {secret[:-1]}\r\n",
            f"Authorization: Basic {secret}\r\n",
            f"Authorization: Bearer {secret}\r\nAuthorization: Bearer {secret}\r\n",
        ):
            for sent in (
                [keys.format(field)],
                [challenge.format(field)],
                [message(b"x", extra=field)],
                # What begins with a GET is aiohttp's, not the lane's.
                [keys.format(relay.field), message(b"x", extra=field)],
            ):
                status, fields, body = await stranger.raw(*sent)
                assert (status, fields["www-authenticate"]) == (401, "Bearer")
                assert secret.encode() not in body
        assert await relay.ask(get(token())) == 200
        status, _, _ = await relay.raw(keys.format(relay.field), message(b"x", extra=relay.field))
        assert status == 422
        assert secret not in "".join(map(bytes.decode, place.target.heads))
        _, shown = await process.admin("/metrics")
        assert 'tacita_gateway_refused_outside_total{status="401"} 20.0' in shown
        digest = hashlib.sha256(secret.encode()).hexdigest()
        assert not {word for word in (secret, digest) if word in shown + process.output()}


@pytest.mark.e2e
async def test_each_relay_has_room_of_its_own_and_secrets_are_read_again(place: Place) -> None:
    mine, yours = secrets.token_hex(32), secrets.token_urlsafe(32)
    write_secrets(place, mine, yours)
    async with running(place, 'bearer = "relays.secret"', targets=ROOM_FOR_ONE) as (process, port):
        free = get(authority=b"free.example")
        one, other = Relay(port, mine), Relay(port, yours)
        assert [await one.ask(free), await one.ask(free), await other.ask(free)] == [200, 503, 200]
        # What cannot be used changes nothing.
        for content, refused in (("short", other), (mine, other), (yours, one)):
            write_secrets(place, content)
            times = process.output().count('"reloaded"')
            process.process.send_signal(signal.SIGHUP)
            while process.output().count('"reloaded"') == times:  # noqa: ASYNC110 (a file tells nobody)
                await asyncio.sleep(0.01)
            status, _, _ = await refused.raw(KEYS + refused.field + "\r\n")
            assert status == (200 if content == "short" else 401)
        assert process.output().count('"reload_failed"') == 1


class World:
    """A gateway's certificate, and authorities of relays."""

    def __init__(self, folder: Path) -> None:
        self.server = Authority(folder / "server")
        self.relays = Authority(folder / "relays", "relays")
        self.others = Authority(folder / "others", "relays")
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        self.certificate, self.key = self.server.issue("gateway", alternative=[LOOPBACK], usage=usage)

    def front(self, *pinned: str) -> str:
        return (
            f'tls_certificate = "{self.certificate}"\ntls_private_key = "{self.key}"\n'
            f'tls_client_authority = "{self.relays.certificate}"\ntls_client_keys = {list(pinned)}\n'
        ).replace("'", '"')

    def relay(self, port: int, pair: tuple[Path, Path] | None) -> Relay:
        context = ssl.create_default_context(cafile=self.server.certificate)
        if pair is not None:
            context.load_cert_chain(*pair)
        return Relay(port, context=context)


def pin(pair: tuple[Path, Path]) -> str:
    digest = key_digest(ssl.PEM_cert_to_DER_cert(pair[0].read_text()))
    assert digest is not None
    return digest


@pytest.mark.e2e
@pytest.mark.parametrize("pinned", [False, True])
async def test_certificates_of_relays(place: Place, tmp_path: Path, pinned: bool) -> None:
    world = World(tmp_path)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    one, other = (world.relays.issue(f"relay {n}", key=key) for n, key in enumerate(keys))
    third, stranger = world.relays.issue("relay 3"), world.others.issue("relay 1")
    pins = [pin(one), pin(other)] if pinned else []
    async with running(place, world.front(*pins), targets=ROOM_FOR_ONE) as (process, port):
        free = get(authority=b"free.example")
        for pair in (None, stranger):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await world.relay(port, pair).raw(KEYS + "\r\n")
        assert [await world.relay(port, pair).ask(free) for pair in (one, one, other)] == [200, 503, 200]
        # A new certificate of the same key is the same relay's.
        assert await world.relay(port, world.relays.issue("relay", key=keys[0])).ask(free) == 503
        for sent, otherwise in ((KEYS + "\r\n", 200), (message(b"x"), 422)):
            status, _, _ = await world.relay(port, third).raw(sent)
            assert status == (403 if pinned else otherwise)
        _, shown = await process.admin("/metrics")
        assert f'refused_outside_total{{status="403"}} {2.0 if pinned else 0.0}' in shown
        assert not {word for word in (pin(one), "relay 1") if word in shown + process.output()}


@pytest.mark.e2e
async def test_tls_of_another_version_is_refused(place: Place, tmp_path: Path) -> None:
    world = World(tmp_path)
    async with running(place, world.front()) as (_, port):
        relay = world.relay(port, world.relays.issue("relay"))
        assert relay.context is not None
        relay.context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await relay.raw(KEYS + "\r\n")


@dataclass
class Shown:
    """As much of a request as the front looks at."""

    authorization: list[bytes]
    der: bytes | None = None

    def values(self, name: bytes) -> list[bytes]:
        assert name == b"authorization"
        return self.authorization

    def certificate(self) -> bytes | None:
        return self.der


def front(config: FrontConfig) -> Front:
    return Front(config, Observations(Metrics("gateway")))


def test_where_nothing_is_asked_for_all_are_one() -> None:
    assert front(FrontConfig()).relay_of(Shown([b"Bearer x"])) == ANONYMOUS  # type: ignore[arg-type]


@given(st.lists(st.binary(max_size=90), max_size=3))
def test_no_field_is_a_secret_by_chance(fields: list[bytes]) -> None:
    ours = front(FrontConfig())
    ours._secrets = (bytes(32),)
    with pytest.raises(OuterError):
        ours.relay_of(Shown(fields))  # type: ignore[arg-type]


@given(st.none() | st.binary())
def test_no_bytes_are_a_certificate_by_chance(der: bytes | None) -> None:
    ours = front(
        FrontConfig(tls_certificate=Path("a"), tls_private_key=Path("b"), tls_client_authority=Path("c"))
    )
    with pytest.raises(OuterError):
        ours.relay_of(Shown([], der))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "\n", "short", "x" * 31, "x" * 600, "ä" * 40, "x" * 40 + "\n?"])
def test_a_file_that_holds_no_secrets(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="one secret for each relay"):
        front(FrontConfig(bearer=path))
    path.write_text("x" * 32)
    front(FrontConfig(bearer=path))
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        front(FrontConfig(bearer=path))


def test_pinned_keys_want_an_authority() -> None:
    with pytest.raises(ValueError, match="wants tls_client_authority"):
        FrontConfig(tls_client_keys=("00" * 32,))


def test_the_digest_is_that_of_the_public_key(tmp_path: Path) -> None:
    der = Authority(tmp_path).issue_der("relay")
    public = x509.load_der_x509_certificate(der).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_digest(der) == hashlib.sha256(spki).hexdigest()
