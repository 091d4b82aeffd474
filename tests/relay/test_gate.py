"""What one network may have of the relay: it trips, it forgets, it tells nobody apart by its words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from support.raw_http import connection, fields, read_body, read_head
from support.relays import Gateway, Relay, request

from relay.app import build
from relay.config import AddressLimits, RelayConfig, RelayLimits
from relay.errors import TooManyRequests
from relay.gate import Gate
from tacita.net.gate import Visit
from tacita.service.config import Listen
from tacita.service.listening import serving
from tacita.service.run import public

KEYS = b"GET /one/keys HTTP/1.1\r\nHost: r\r\n\r\n"
BALANCED = Listen(proxy_protocol=True, balancers=("127.0.0.0/8",))


@dataclass
class Stand:
    """A gate on its own, with the time in hand."""

    limits: AddressLimits
    now: float = 1000.0
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = Gate(self.limits, self.refused.append, clock=lambda: self.now)

    def visit(self, address: str) -> Visit:
        visit = self.gate.visit(address)
        assert visit is not None
        return visit


def entered(visit: Visit, times: int, method: bytes = b"POST", source: bytes = b"") -> int:
    """Return how many of `times` requests, one after the other, were let in."""
    count = 0
    for _ in range(times):
        try:
            visit.begin(method, ((b"x-forwarded-for", source),))
        except TooManyRequests:
            continue
        visit.end()
        count += 1
    return count


def test_messages_and_documents_have_a_share_each() -> None:
    stand = Stand(AddressLimits(per_second=1, burst=3, documents_per_second=1, documents_burst=2))
    visit = stand.visit("192.0.2.1")
    assert entered(visit, 9) == 3
    assert entered(visit, 9, b"GET") == 2
    assert entered(visit, 9, b"DELETE") == 0
    assert entered(stand.visit("192.0.2.1"), 9) == 0, "a new connection is nobody new"
    assert entered(stand.visit("192.0.2.2"), 9) == 3
    stand.now += 2
    assert entered(visit, 9) == 2
    assert (stand.refused.count("message"), stand.refused.count("document")) == (6 + 9 + 6 + 7, 7 + 9)


def test_a_new_key_forgets_on_connections_that_are_open_too() -> None:
    stand = Stand(AddressLimits(per_second=0.001, burst=3, key_seconds=60.0))
    visit = stand.visit("2001:db8::1")
    assert entered(visit, 9) == 3
    stand.now += 59
    assert entered(visit, 9) == 0
    stand.now += 1
    assert entered(visit, 9) == 3


def test_so_many_requests_at_a_time() -> None:
    stand = Stand(AddressLimits(concurrent=2))
    first, second, third = (stand.visit("192.0.2.1") for _ in range(3))
    first.begin(b"POST", ())
    second.begin(b"POST", ())
    assert entered(third, 1) == 0
    first.end()
    assert entered(third, 5) == 5


def test_so_many_connections_at_a_time() -> None:
    stand = Stand(AddressLimits(connections=2))
    first = stand.visit("192.0.2.1")
    stand.visit("192.0.2.1")
    assert stand.gate.visit("192.0.2.1") is None
    assert stand.gate.visit("192.0.2.2") is not None
    assert stand.refused == ["connection"]
    first.over()
    assert stand.gate.visit("192.0.2.1") is not None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_a_front_on_this_host_is_no_client(address: str) -> None:
    stand = Stand(AddressLimits(burst=1, connections=1))
    visits = [stand.visit(address) for _ in range(5)]
    assert entered(visits[0], 5) == 5


def test_behind_trusted_fronts_each_client_has_its_own_share() -> None:
    stand = Stand(AddressLimits(per_second=0.001, burst=2, connections=1, trusted_hops=1))
    front, other = stand.visit("10.0.0.1"), stand.visit("10.0.0.1")
    assert entered(front, 9, source=b"203.0.113.1, 192.0.2.1") == 2
    assert entered(other, 9, source=b"203.0.113.2, 192.0.2.1") == 0
    assert entered(other, 9, source=b"203.0.113.1, 192.0.2.2") == 2


def test_who_comes_around_the_fronts_shares_one_share() -> None:
    stand = Stand(AddressLimits(per_second=0.001, burst=2, trusted_hops=2))
    assert entered(stand.visit("198.51.100.1"), 9, source=b"192.0.2.1") == 2
    assert entered(stand.visit("127.0.0.1"), 9, source=b"192.0.2.2") == 0


@pytest.mark.parametrize(
    "table",
    [
        {"per_second": 0},
        {"burst": 0},
        {"documents_burst": -1},
        {"ipv6_prefix": 129},
        {"trusted_hops": -1},
        {"trusted_field": "x-real-ip"},
    ],
)
def test_limits_that_make_no_sense_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, AddressLimits)


@pytest.mark.parametrize(
    "table",
    [
        {"proxy_protocol": True},
        {"balancers": ["10.0.0.0/8"]},
        {"proxy_protocol": True, "balancers": ["10.0.0.1/8"]},
        {"proxy_protocol": True, "balancers": ["everywhere"]},
        {"proxy_protocol": True, "balancers": ["10.0.0.0/8"], "unix": "/run/relay"},
    ],
)
def test_balancers_that_make_no_sense_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Listen, dec_hook=lambda _, value: value, strict=False)


# Through a relay whose clients a balancer brings


@asynccontextmanager
async def relay_behind(gateway: Gateway, **limits: Any) -> AsyncIterator[Relay]:
    """Run a relay behind a balancer with these limits for each address."""
    shares = RelayLimits(per_address=AddressLimits(**limits))
    config: RelayConfig = msgspec.structs.replace(gateway.config(), listen=BALANCED, limits=shares)
    service = await build(config)
    async with serving(public(service), config.listen) as port:
        while not service.readiness.ready:  # noqa: ASYNC110 - as the shell waits
            await asyncio.sleep(0.01)
        yield Relay(port.port, service)


async def ask(relay: Relay, address: str, data: bytes) -> tuple[bytes, bytes]:
    header = f"PROXY TCP4 {address} 198.51.100.7 56324 443\r\n".encode()
    return await relay.ask(header + data)


@pytest.mark.parametrize("data", [request(), KEYS], ids=["message", "document"])
async def test_everybody_is_refused_in_the_same_words(gateway: Gateway, data: bytes) -> None:
    rates = {"per_second": 0.001, "burst": 2, "documents_per_second": 0.001, "documents_burst": 2}
    async with relay_behind(gateway, **rates) as relay:
        said = set()
        for address in ("192.0.2.1", "192.0.2.2"):
            answers = [await ask(relay, address, data) for _ in range(4)]
            assert [head[9:12] for head, _ in answers] == [b"200", b"200", b"429", b"429"]
            for head, body in answers[2:]:
                named = fields(head)
                del named["date"]
                said.add((tuple(named.items()), body))
        ((named_fields, _),) = said
        assert "retry-after" not in dict(named_fields)
        what = "message" if data != KEYS else "document"
        assert f'share_refusals_total{{result="{what}"}} 4.0' in relay.service.metrics.render().decode()
    assert len(gateway.heads) == (4 if data != KEYS else 0)


async def test_one_network_has_so_many_connections(gateway: Gateway) -> None:
    async with relay_behind(gateway, connections=1) as relay:
        header = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
        async with connection(relay.port) as (reader, writer):
            writer.write(header + request())
            await read_body(reader, await read_head(reader))
            async with connection(relay.port) as (second, sending):
                try:
                    sending.write(header + request())
                    assert await second.read() == b""
                except ConnectionError:
                    pass
            assert (await ask(relay, "192.0.2.2", request()))[0].startswith(b"HTTP/1.1 200 ")
        assert len(gateway.heads) == 2


async def test_it_can_be_off(gateway: Gateway) -> None:
    async with relay_behind(gateway, enabled=False, burst=1, connections=1) as relay:
        for _ in range(5):
            assert (await ask(relay, "192.0.2.1", request()))[0].startswith(b"HTTP/1.1 200 ")
