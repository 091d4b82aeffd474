"""The Redis store: the contract on a real server, and what only a server can do to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contracts.spent_store import ALIVE, NOW, SpentStoreContract, is_spent, key, nonce, opened
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from support.ports import free_port
from support.redis_server import DURABLE, RedisServer

from gateway.stores import RedisStore, open_store
from tacita.errors import ConfigError, TacitaError
from tacita.privacypass.spent import SpentStore, StoreUnavailable, TokenSpent
from tacita.service.keyfiles import write_secret


class ServerWorld:
    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.location = server.address

    async def open(self) -> SpentStore:
        return await open_store(self.location)

    async def take_away(self) -> None:
        self.server.kill()

    async def give_back(self) -> None:
        self.server.start()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


@pytest.fixture
def world(server: RedisServer) -> ServerWorld:
    return ServerWorld(server)


class TestContract(SpentStoreContract):
    pass


@asynccontextmanager
async def impatient(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(server.address, timeout=0.3)
    try:
        yield store
    finally:
        await store.close()


async def test_kill_9_of_the_server_loses_nothing_that_was_acknowledged(
    server: RedisServer, world: ServerWorld
) -> None:
    issuer = key()
    acknowledged: list[bytes] = []

    async def spend(store: SpentStore) -> None:
        while True:
            token = nonce()
            try:
                await store.reserve(issuer, token, expires=ALIVE)
            except StoreUnavailable:
                return
            acknowledged.append(token)
            if len(acknowledged) == 1000:
                server.kill()

    async with opened(world) as store:
        await asyncio.gather(*(spend(store) for _ in range(32)))
        server.start()
        assert len(acknowledged) >= 1000
        assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in acknowledged)))


async def test_with_everysec_kill_9_loses_nothing_that_was_written() -> None:
    with RedisServer(**DURABLE | {"appendfsync": "everysec"}) as server:
        issuer, tokens = key(), [nonce() for _ in range(100)]
        async with opened(ServerWorld(server)) as store:
            await asyncio.gather(*(store.reserve(issuer, token, expires=ALIVE) for token in tokens))
            # A slow flush may hold writes back for up to two seconds, even after the answer.
            server.wait_for("persistence", "aof_buffer_length", 0)
            server.kill()
            server.start()
            assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in tokens)))


async def test_a_server_that_hangs_is_unavailable_in_time(server: RedisServer) -> None:
    issuer, doubtful, token = key(), nonce(), nonce()
    async with impatient(server) as store:
        server.pause()
        calls = [store.reserve(issuer, doubtful, expires=ALIVE), store.check(), store.drop_expired(NOW)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
        server.resume()
        # A late reply to the call that was given up is not taken for the answer to the next one.
        assert not await is_spent(store, issuer, token)
        assert await is_spent(store, issuer, token)
        assert [await is_spent(store, issuer, doubtful) for _ in range(3)].count(False) <= 1


async def test_a_server_that_hangs_does_not_keep_a_newcomer(server: RedisServer) -> None:
    server.pause()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await RedisStore.open(server.address, timeout=0.2)
    server.resume()


async def test_a_server_that_forgot_the_script_is_told_again(server: RedisServer, world: ServerWorld) -> None:
    async with opened(world) as store:
        assert not await is_spent(store, key(), nonce())
        server.ask("SCRIPT", "FLUSH")
        issuers = [key() for _ in range(3)]
        tokens = [nonce() for _ in range(30)]
        for expected in (False, True):
            spent = await asyncio.gather(
                *(is_spent(store, issuers[place % 3], token) for place, token in enumerate(tokens))
            )
            assert spent == [expected] * 30


async def test_a_restart_between_calls_is_not_noticed(server: RedisServer, world: ServerWorld) -> None:
    issuer, token = key(), nonce()
    async with opened(world) as store:
        assert not await is_spent(store, issuer, token)
        server.kill()
        server.start()
        await asyncio.sleep(0.05)
        assert await is_spent(store, issuer, token)


async def test_entries_expire_with_their_key(server: RedisServer, world: ServerWorld) -> None:
    issuer = key()
    async with opened(world) as store:
        await asyncio.gather(*(store.reserve(issuer, nonce(), expires=ALIVE) for _ in range(500)))
    names = server.ask("KEYS", "*")
    assert 2 <= len(names) <= 256
    for name in names:
        assert name.startswith(b"spent:{%b:" % issuer.hex().encode())
        assert server.ask("EXPIRETIME", name.decode()) == ALIVE


async def test_a_server_without_memory_is_unavailable(server: RedisServer, world: ServerWorld) -> None:
    issuer, token = key(), nonce()
    async with opened(world) as store:
        server.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="memory"):
            await store.reserve(issuer, token, expires=ALIVE)
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert not await is_spent(store, issuer, token)


async def test_a_strange_value_under_our_name_is_unavailable(server: RedisServer, world: ServerWorld) -> None:
    issuer, token = key(), nonce()
    server.ask("SET", f"spent:{{{issuer.hex()}:{token[:1].hex()}}}", "x")
    async with opened(world) as store:
        with pytest.raises(StoreUnavailable):
            await store.reserve(issuer, token, expires=ALIVE)
        assert not await is_spent(store, key(), token)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "appendonly yes"),
        ({"appendonly": "yes", "maxmemory-policy": "allkeys-lru"}, "noeviction"),
        ({"appendonly": "yes", "maxmemory-policy": "volatile-ttl"}, "noeviction"),
        (
            {"appendonly": "yes", "cluster-enabled": "yes", "cluster-port": str(free_port())},
            r"redis\+cluster://",
        ),
        ({"appendonly": "yes", "replicaof": "127.0.0.1 1"}, "replica"),
    ],
)
async def test_a_server_that_could_forget_is_refused(options: dict[str, str], sentence: str) -> None:
    with RedisServer(**options) as server:
        with pytest.raises(ConfigError, match=sentence) as refusal:
            await open_store(server.address)
        assert server.address not in str(refusal.value)


async def test_replicas_are_a_risk_to_accept() -> None:
    port = free_port()
    with (
        RedisServer(port=str(port), **DURABLE) as primary,
        RedisServer(replicaof=f"127.0.0.1 {port}"),
    ):
        primary.wait_for("replication", "connected_slaves", 1)
        with pytest.raises(ConfigError, match="accept_replicas"):
            await open_store(primary.address)
        store = await open_store(primary.address, accept_replicas=True)
        assert not await is_spent(store, key(), nonce())
        await store.close()


async def test_another_server_in_its_place_is_checked_again(server: RedisServer, world: ServerWorld) -> None:
    async with opened(world) as store:
        await store.reserve(key(), nonce(), expires=ALIVE)
        server.kill()
        durable, server.options = server.options, {"port": "0"}
        server.start()
        # The first call may still go out on the connection that has ended.
        with pytest.raises(StoreUnavailable):
            await store.reserve(key(), nonce(), expires=ALIVE)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="appendonly yes"):
                await store.reserve(key(), nonce(), expires=ALIVE)
        server.kill()
        server.options = durable
        server.start()
        await store.reserve(key(), nonce(), expires=ALIVE)


async def test_settings_that_were_changed_make_it_unready(server: RedisServer, world: ServerWorld) -> None:
    async with opened(world) as store:
        await store.check()
        server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        with pytest.raises(StoreUnavailable, match="noeviction"):
            await store.check()
        with pytest.raises(StoreUnavailable, match="noeviction"):
            await store.reserve(key(), nonce(), expires=ALIVE)


async def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    write_secret(file, b"wrong-horse\n")
    with RedisServer(requirepass="correct-horse", **DURABLE) as server:
        with pytest.raises(ConfigError, match="password") as refusal:
            await open_store(server.address, password_file=file)
        assert "horse" not in str(refusal.value)
        with pytest.raises(ConfigError, match="password"):
            await open_store(server.address)
        write_secret(file, b"correct-horse\n")
        store = await open_store(server.address, password_file=file)
        assert not await is_spent(store, key(), nonce())
        await store.close()
        file.chmod(0o644)
        with pytest.raises(ConfigError, match="chmod 600"):
            await open_store(server.address, password_file=file)


async def test_a_server_on_tcp_is_reached_too() -> None:
    port = free_port()
    with RedisServer(port=str(port), **DURABLE):
        store = await open_store(f"redis://127.0.0.1:{port}/3")
        issuer, token = key(), nonce()
        assert not await is_spent(store, issuer, token)
        assert await is_spent(store, issuer, token)
        await store.close()
    with pytest.raises(StoreUnavailable, match="cannot be reached") as unreachable:
        await open_store(f"redis://127.0.0.1:{port}")
    assert str(port) not in str(unreachable.value)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for localhost and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


async def test_tls_takes_a_trusted_certificate_only(certificate: tuple[Path, Path]) -> None:
    ours, secret = certificate
    port = free_port()
    options = {"tls-port": str(port), "tls-cert-file": str(ours), "tls-key-file": str(secret)}
    with RedisServer(**DURABLE, **options, tls_ca_cert_file=str(ours), tls_auth_clients="no"):
        store = await open_store(f"rediss://localhost:{port}", ca_file=ours)
        assert not await is_spent(store, key(), nonce())
        await store.close()
        for host, authority in (("localhost", None), ("127.0.0.1", ours)):
            with pytest.raises(StoreUnavailable, match="certificate"):
                await open_store(f"rediss://{host}:{port}", ca_file=authority)
        with pytest.raises(ConfigError, match="TLS"):
            await open_store(f"rediss://localhost:{port}", ca_file=secret)


@pytest.mark.parametrize(
    "address",
    [
        "redis://user:hunter2@localhost",
        "redis://localhost?password=hunter2",
        "redis://localhost/hunter2",
        "redis://localhost:hunter2",
        "redis://",
        "unix://hunter2",
        "unix://host/hunter2",
        "http://hunter2",
        "redis://[hunter2",
    ],
)
async def test_other_addresses_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        await open_store(address)
    assert "hunter2" not in str(refusal.value)


async def test_what_is_for_redis_is_not_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await open_store(str(tmp_path / "spent.db"), accept_replicas=True)


async def test_every_error_is_of_the_tree(server: RedisServer, world: ServerWorld) -> None:
    issuer, token = key(), nonce()
    async with impatient(server) as store:
        for breaks in (server.kill, server.start, server.pause, server.resume):
            breaks()
            try:
                await store.reserve(issuer, token, expires=ALIVE)
            except TacitaError as error:
                assert isinstance(error, StoreUnavailable | TokenSpent)  # noqa: PT017
