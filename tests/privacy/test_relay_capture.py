"""A gateway that records everything cannot tell the clients of a relay apart.

1,000 requests of 50 clients that differ in all that a client can choose go through the relay, with TLS on
both legs, to a recording gateway. Compared are the bytes of all messages, all TLS hellos, and which
connection each request came on: whose it is says nothing about that. Nor does it where there are only
three clients, and each of them asks again as soon as it has its answer.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import LOOPBACK, Authority
from support.ports import free_port
from support.recording import Caller, Recorder, recorder_running
from support.relays import Gateway, relay_of
from support.taps import Tap, tapped

from relay.app import build
from relay.config import GatewayTls, Limits
from tacita.net import tls
from tacita.service.listening import serving
from tacita.service.run import public

CLIENTS, EACH = 50, 20
FEW, MANY = 3, 200


@dataclass(frozen=True)
class Capture:
    """What the gateway and the wire before it have seen, and, which they have not, whose it was."""

    gateway: Recorder
    wire: Tap
    owners: dict[bytes, int]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Client and connection of each request, in the order of arrival."""
        return [(self.owners[seen.body], seen.connection) for seen in self.gateway.seen]


async def _capture(
    folder: Path, clients: int, each: int, *, think_seconds: float, limits: Limits | None = None
) -> Capture:
    authority = Authority(folder / "ca")
    files = authority.issue("", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    owners: dict[bytes, int] = {}
    async with recorder_running(*files) as recorder:
        port = free_port()
        async with tapped(port, recorder.port) as wire:
            table = Gateway().table(
                origin=f"https://127.0.0.1:{port}",
                tls=GatewayTls(authority=authority.certificate),
                limits=limits or Limits(),
            )
            service = await build(relay_of(table))
            async with serving(public(service), context=tls.server_context(*files)) as relay:
                while not service.readiness.ready:  # noqa: ASYNC110 - as the shell waits
                    await asyncio.sleep(0.01)
                callers = [Caller(number, authority.certificate, think_seconds) for number in range(clients)]
                await asyncio.gather(*(caller.call(relay.port, each, owners) for caller in callers))
    return Capture(recorder, wire, owners)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return asyncio.run(_capture(tmp_path_factory.mktemp("capture"), CLIENTS, EACH, think_seconds=0.1))


@pytest.fixture(scope="module")
def hurry(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return asyncio.run(_capture(tmp_path_factory.mktemp("hurry"), FEW, MANY, think_seconds=0))


def test_every_request_has_arrived_once(capture: Capture) -> None:
    assert Counter(client for client, _ in capture.pairs) == dict.fromkeys(range(CLIENTS), EACH)


def test_all_heads_are_the_same_bytes(capture: Capture) -> None:
    (head,) = {seen.head for seen in capture.gateway.seen}
    assert head.count(b"\r\n") == 5
    assert b"Content-Type: message/ohttp-req\r\nContent-Length: 416\r\n\r\n" in head


def test_all_connections_come_from_one_place_with_one_kind_of_session(capture: Capture) -> None:
    assert capture.gateway.peers == {"127.0.0.1"}
    ((version, _, _, reused, certificate),) = capture.gateway.sessions
    assert (version, reused, certificate) == ("TLSv1.3", False, None)


def test_all_tls_hellos_are_alike(capture: Capture) -> None:
    hellos = [hello(bytes(passage.sent)) for passage in capture.wire.passages]
    assert len(hellos) == capture.gateway.connections
    assert len({masked for masked, _, _ in hellos}) == 1
    # And each begins from nothing: what differs does so every time.
    assert len({fresh for _, fresh, _ in hellos}) == len(hellos)
    early_data, pre_shared_key = 42, 41
    assert not {early_data, pre_shared_key} & set(hellos[0][2])


def hello(stream: bytes) -> tuple[bytes, bytes, list[int]]:
    """Take the ClientHello at the beginning of `stream` apart (RFC 8446, section 4.1.2).

    Return it with what is random in it blotted out, its random, and the types of its extensions in order.
    """
    size = 5 + int.from_bytes(stream[3:5])
    record = bytearray(stream[:size])
    assert record[0] == 22
    assert record[5] == 1
    fresh = bytes(record[11:43])
    record[11:43] = bytes(32)
    place = 43 + 1 + record[43]
    record[44:place] = bytes(record[43])
    place += 2 + int.from_bytes(record[place : place + 2])
    place += 1 + record[place]
    place += 2
    types = []
    while place < size:
        kind, length = (
            int.from_bytes(record[place : place + 2]),
            int.from_bytes(record[place + 2 : place + 4]),
        )
        types.append(kind)
        key_share = 51
        if kind == key_share:
            record[place + 10 : place + 4 + length] = bytes(length - 6)
        place += 4 + length
    assert place == size
    return bytes(record), fresh, types


# Which connection


def unevenness(pairs: Sequence[tuple[int, int]]) -> float:
    """Chi-square of the table of clients against connections: large where one tells of the other."""
    rows = Counter(client for client, _ in pairs)
    columns = Counter(connection for _, connection in pairs)
    cells = Counter(pairs)
    return sum(
        (cells[row, column] - expected) ** 2 / expected
        for row in rows
        for column in columns
        if (expected := rows[row] * columns[column] / len(pairs))
    )


def repeats(pairs: Sequence[tuple[int, int]]) -> float:
    """How often two requests that follow each other on a connection are of one client."""
    last: dict[int, list[int]] = {}
    for client, connection in pairs:
        last.setdefault(connection, []).append(client)
    return sum(one == other for clients in last.values() for one, other in pairwise(clients))


def excess(measure: object, pairs: Sequence[tuple[int, int]], seed: int = 1) -> float:
    """By how many standard deviations `measure` is above what it is when clients are dealt out anew."""
    assert callable(measure)
    deal = random.Random(seed)
    clients = [client for client, _ in pairs]
    chance = []
    for _ in range(200):
        deal.shuffle(clients)
        chance.append(measure(list(zip(clients, (connection for _, connection in pairs), strict=True))))
    return float((measure(pairs) - fmean(chance)) / stdev(chance))


@pytest.mark.parametrize("measure", [unevenness, repeats])
def test_a_connection_says_nothing_about_the_client(capture: Capture, measure: object) -> None:
    connections = {connection for _, connection in capture.pairs}
    assert 2 <= len(connections) < CLIENTS
    assert excess(measure, capture.pairs) < 5


@pytest.mark.parametrize("measure", [unevenness, repeats])
def test_the_measure_would_see_a_pool_that_is_not_shared(capture: Capture, measure: object) -> None:
    count = len({connection for _, connection in capture.pairs})
    own = [(client, client % count) for client, _ in capture.pairs]
    assert excess(measure, own) > 20
    # Even where only one request in three stays on its client's own.
    some = [
        (client, client % count if place % 3 == 0 else connection)
        for place, (client, connection) in enumerate(capture.pairs)
    ]
    assert excess(measure, some) > 5


def returns(pairs: Sequence[tuple[int, int]]) -> float:
    """How often a client's next request comes on the connection on which its last one came."""
    last: dict[int, int] = {}
    count = 0
    for client, connection in pairs:
        count += last.get(client) == connection
        last[client] = connection
    return count / len(pairs)


def test_clients_in_a_hurry_do_not_come_back_on_their_connection(hurry: Capture) -> None:
    connections = {connection for _, connection in hurry.pairs}
    assert len(connections) > FEW
    # By chance it is one in nineteen: sixteen connections to spare, and the three in use.
    assert returns(hurry.pairs) < 0.12
    assert excess(unevenness, hurry.pairs) < 5


def test_without_connections_to_spare_they_would(tmp_path: Path) -> None:
    limits = Limits(spare_connections=0)
    capture = asyncio.run(_capture(tmp_path, FEW, MANY // 2, think_seconds=0, limits=limits))
    assert returns(capture.pairs) > 0.4
