"""A real cluster: where calls go and what becomes of them, and which clusters are refused."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot
from support.certificates import self_signed
from support.ports import free_port, free_ports
from support.redis_cluster import RedisCluster as Processes
from support.redis_cluster import serve_alone
from support.redis_server import DURABLE
from support.redis_server import RedisServer as Process

from tacita.errors import ConfigError
from tacita.service.keyfiles import write_secret
from tacita.service.redis.cluster import RedisCluster
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.opening import open_redis
from tacita.service.redis.scripts import Script
from tacita.service.redis.server import RedisServer

ADD = Script(b"return redis.call('INCRBY', KEYS[1], ARGV[1])")
SUM = Script(b"return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])")
FAIL = Script(b"return redis.error_reply('secret')")


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Processes]:
    with Processes() as processes:
        yield processes


@pytest.fixture
def processes(shared_cluster: Processes) -> Iterator[Processes]:
    yield shared_cluster
    shared_cluster.start()
    shared_cluster.flush()


@asynccontextmanager
async def opened(processes: Processes, **options: bool | float) -> AsyncIterator[RedisCluster]:
    cluster = await RedisCluster.open(processes.address, "records", **options)  # type: ignore[arg-type]
    try:
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
async def cluster(processes: Processes) -> AsyncIterator[RedisCluster]:
    async with opened(processes) as cluster:
        yield cluster


def key_on(processes: Processes, number: int, start: int = 0) -> bytes:
    owners = processes.owners()
    return next(b"%d" % n for n in range(start, start + 1000) if owners[key_slot(b"%d" % n)] == number)


async def test_replies_are_in_order_wherever_the_keys_are(cluster: RedisCluster) -> None:
    keys = [b"%d" % n for n in range(100)]
    for total in (1, 2):
        replies = await cluster.run([ADD.call([key], [n]) for n, key in enumerate(keys)])
        assert replies == [n * total for n in range(100)]
    assert await cluster.run([]) == []


async def test_every_master_is_asked_for_names(processes: Processes, cluster: RedisCluster) -> None:
    keys = [b"name:%d" % n for n in range(2000)]
    await cluster.run([ADD.call([key], [1]) for key in (*keys, b"other")])
    found = [name async for names in cluster.names(b"name:*") for name in names]
    assert sorted(set(found)) == sorted(keys)
    processes.nodes[0].kill()
    found = []

    async def look() -> None:
        async for names in cluster.names(b"name:*"):
            found.extend(names)

    with pytest.raises(RedisUnavailable):
        await look()
    assert 900 < len(found) < 1700


async def test_a_failure_is_told_in_its_place(processes: Processes, cluster: RedisCluster) -> None:
    here, there = key_on(processes, 0), key_on(processes, 1)
    calls = [ADD.call([here], [1]), FAIL.call([here]), ADD.call([there], [2]), ADD.call([here], [3])]
    one, failure, two, four = await cluster.run(calls)
    assert (one, two, four) == (1, 2, 4)
    assert isinstance(failure, RedisUnavailable)
    assert "secret" not in str(failure)
    with pytest.raises(RedisUnavailable):
        await cluster.run([FAIL.call([here]), FAIL.call([there])])
    processes.nodes[1].kill()
    one, two = await cluster.run([ADD.call([here], [1]), ADD.call([there], [1])])
    assert one == 5
    assert isinstance(two, RedisUnavailable)
    assert "reached" in str(two)


async def test_keys_of_one_lane_are_on_one_node(processes: Processes, cluster: RedisCluster) -> None:
    lanes = {cluster.lane_of(key_on(processes, number)) for number in range(3)}
    assert len(lanes) == 3
    assert cluster.lane_of(key_on(processes, 2)) == cluster.lane_of(key_on(processes, 2, start=500))
    assert cluster.group_of(b"{1}a") != cluster.group_of(b"{1}b")


async def test_two_keys_of_a_slot_that_moves_are_refused_and_later_found(
    processes: Processes, cluster: RedisCluster
) -> None:
    slot = key_slot(b"1")
    source = processes.owners()[slot]
    target = (source + 1) % 3
    pair = [b"{1}a", b"{1}b"]
    await cluster.run([ADD.call([key], [2]) for key in pair])
    processes.begin_move(slot, source, target)
    processes.move_keys(slot, source, target, most=1)
    with pytest.raises(RedisUnavailable, match="moving"):
        await cluster.run([SUM.call(pair)])
    # Those with one key are made where it is.
    assert await cluster.run([ADD.call([key], [1]) for key in pair]) == [3, 3]
    processes.move_keys(slot, source, target)
    assert await cluster.run([SUM.call(pair)]) == [6]
    processes.end_move(slot, source, target)
    assert await cluster.run([SUM.call(pair)]) == [6]
    processes.move(slot, target, source)


async def test_the_view_of_a_cluster_follows_it(processes: Processes, cluster: RedisCluster) -> None:
    slot = key_slot(b"1")
    source = processes.owners()[slot]
    target = (source + 1) % 3
    before = cluster.lane_of(b"1")
    processes.move(slot, source, target)
    assert await cluster.run([ADD.call([b"1"], [1])]) == [1]
    after = cluster.lane_of(b"1")
    assert after != before
    processes.move(slot, target, source)
    assert await cluster.run([ADD.call([b"1"], [1])]) == [2]
    assert cluster.lane_of(b"1") == before


async def test_one_master_that_could_forget_refuses_the_start(processes: Processes) -> None:
    wrong = {"maxmemory-policy": ("allkeys-lru", "noeviction"), "appendonly": ("no", "yes")}
    for setting, (bad, good) in wrong.items():
        processes.nodes[2].ask("CONFIG", "SET", setting, bad)
        try:
            with pytest.raises(ConfigError, match=good) as refusal:
                async with opened(processes):
                    pass
            assert processes.host not in str(refusal.value)
        finally:
            processes.nodes[2].ask("CONFIG", "SET", setting, good)


def replicate(replica: Process, master: Process) -> None:
    name = master.ask("CLUSTER", "MYID")
    while name + b" " not in replica.ask("CLUSTER", "NODES"):
        time.sleep(0.02)
    replica.ask("CLUSTER", "REPLICATE", name.decode())


async def test_replicas_are_a_risk_to_accept() -> None:
    port, bus, *others = free_ports(4)
    options = {**DURABLE, "cluster-enabled": "yes", "bind": "127.0.0.1"}
    with (
        Process(port=str(port), cluster_port=str(bus), **options) as master,
        Process(port=str(others[0]), cluster_port=str(others[1]), **options) as replica,
    ):
        await asyncio.to_thread(serve_alone, master)
        replica.ask("CLUSTER", "MEET", "127.0.0.1", str(port), str(bus))
        await asyncio.to_thread(replicate, replica, master)
        master.wait_for("replication", "connected_slaves", 1)
        address = f"redis+cluster://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match="accept_replicas"):
            await RedisCluster.open(address, "records")
        cluster = await RedisCluster.open(address, "records", accept_replicas=True)
        assert await cluster.run([ADD.call([b"n"], [1])]) == [1]
        await cluster.close()


async def test_a_server_is_no_cluster_and_a_cluster_no_server(processes: Processes) -> None:
    port = free_port()
    with Process(port=str(port), **DURABLE):
        with pytest.raises(ConfigError, match="redis://"):
            await open_redis(f"redis+cluster://127.0.0.1:{port}", "records")
        server = await open_redis(f"redis://127.0.0.1:{port}", "records")
        assert isinstance(server, RedisServer)
        await server.close()
    with pytest.raises(ConfigError, match=r"redis\+cluster://"):
        await open_redis(f"redis://{processes.host}:{processes.ports[0]}", "records")
    cluster = await open_redis(processes.address, "records")
    assert isinstance(cluster, RedisCluster)
    await cluster.close()


async def test_a_cluster_without_slots_is_unavailable() -> None:
    port, bus = free_ports(2)
    with (
        Process(port=str(port), cluster_enabled="yes", cluster_port=str(bus), **DURABLE),
        pytest.raises(RedisUnavailable, match="no slot"),
    ):
        await open_redis(f"redis+cluster://127.0.0.1:{port}", "records")


async def test_full_coverage_is_taken_and_refuses_as_a_whole() -> None:
    with Processes(cluster_require_full_coverage="yes") as processes:
        async with opened(processes) as cluster:
            here = key_on(processes, 0)
            assert await cluster.run([ADD.call([here], [1])]) == [1]
            processes.nodes[1].kill()
            refused = None
            while refused is None:  # until the others have noticed
                try:
                    await cluster.run([ADD.call([here], [1])])
                except RedisUnavailable as error:
                    refused = str(error)
            assert "cluster is down" in refused


async def test_a_closed_cluster_refuses(processes: Processes) -> None:
    async with opened(processes) as cluster:
        assert await cluster.run([ADD.call([b"a"], [1])]) == [1]
    await cluster.close()
    with pytest.raises(RedisUnavailable, match="closed"):
        await cluster.run([ADD.call([b"a"], [1])])
    with pytest.raises(RedisUnavailable, match="closed"):
        await cluster.check()


async def test_a_password_and_tls(tmp_path: Path) -> None:
    certificate, private_key = self_signed(tmp_path)
    write_secret(tmp_path / "password", b"correct-horse\n")
    port, bus = free_ports(2)
    options = {"port": "0", "tls-port": str(port), "tls-cluster": "yes", "tls-auth-clients": "no"}
    files = {"tls-cert-file": certificate, "tls-key-file": private_key, "tls-ca-cert-file": certificate}
    options |= {name: str(path) for name, path in files.items()}
    with Process(
        cluster_enabled="yes", cluster_port=str(bus), requirepass="correct-horse", **DURABLE, **options
    ) as process:
        await asyncio.to_thread(serve_alone, process)
        address = f"rediss+cluster://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match="password"):
            await RedisCluster.open(address, "records", ca_file=certificate)
        with pytest.raises(RedisUnavailable, match="certificate"):
            await RedisCluster.open(address, "records", password_file=tmp_path / "password")
        cluster = await RedisCluster.open(
            address, "records", password_file=tmp_path / "password", ca_file=certificate
        )
        assert await cluster.run([ADD.call([b"n"], [1])]) == [1]
        await cluster.close()


async def test_a_call_is_not_made_again_where_it_may_have_been_made(processes: Processes) -> None:
    # The node takes the call and hangs: it is given up, and made once when the node goes on.
    here = key_on(processes, 0)
    async with opened(processes, timeout=0.3) as cluster:
        await cluster.run([ADD.call([here], [1])])
        processes.nodes[0].pause()
        with pytest.raises(RedisUnavailable, match="did not answer"):
            await cluster.run([ADD.call([here], [1])])
        processes.nodes[0].resume()
        assert await cluster.run([ADD.call([here], [0])]) in ([1], [2])
