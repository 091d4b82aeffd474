"""The limiter trips, recovers, forgets, and keeps nothing of an address."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.limiter import Limiter


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(clock: Callable[[], float], **changes: float) -> Limiter:
    rules = {"per_second": 1.0, "burst": 3, "concurrent": 100, **changes}
    return Limiter(clock=clock, random=bytes, **rules)  # type: ignore[arg-type]


def admitted(limits: Limiter, address: str, times: int) -> int:
    return sum(limits.enter(address) is not None for _ in range(times))


def test_a_burst_and_then_so_many_a_second() -> None:
    clock = Clock()
    limits = limiter(clock)
    assert admitted(limits, "192.0.2.1", 10) == 3
    clock.now += 2
    assert admitted(limits, "192.0.2.1", 10) == 2
    clock.now += 3000
    assert admitted(limits, "192.0.2.1", 10) == 3


def test_others_are_not_touched() -> None:
    limits = limiter(Clock())
    assert admitted(limits, "192.0.2.1", 10) == 3
    assert admitted(limits, "192.0.2.2", 10) == 3
    assert admitted(limits, "2001:db8::1", 10) == 3


def test_so_many_at_a_time() -> None:
    limits = limiter(Clock(), burst=100, concurrent=2)
    first, second = limits.enter("192.0.2.1"), limits.enter("192.0.2.1")
    assert first is not None
    assert second is not None
    assert limits.enter("192.0.2.1") is None
    first.done()
    assert limits.enter("192.0.2.1") is not None
    assert limits.enter("192.0.2.1") is None


def test_one_household_is_one_network() -> None:
    limits = limiter(Clock())
    assert sum(admitted(limits, f"2001:db8:0:1::{host:x}", 1) for host in range(10)) == 3
    assert admitted(limits, "2001:db8:0:2::1", 10) == 3
    wide = limiter(Clock(), prefix=56)
    assert sum(admitted(wide, f"2001:db8:0:{net:x}::1", 1) for net in range(10)) == 3


def test_ipv4_is_the_same_however_it_is_written() -> None:
    limits = limiter(Clock())
    assert admitted(limits, "::ffff:192.0.2.1", 2) == 2
    assert admitted(limits, "192.0.2.1", 10) == 1


def test_a_zone_and_what_is_no_address() -> None:
    limits = limiter(Clock())
    assert admitted(limits, "fe80::1%eth0", 2) == 2
    assert admitted(limits, "fe80::2%eth1", 10) == 1
    assert admitted(limits, "", 10) == 3


def test_a_new_key_forgets() -> None:
    clock = Clock()
    limits = limiter(clock, per_second=1e-9, key_seconds=60.0)
    assert admitted(limits, "192.0.2.1", 10) == 3
    clock.now += 59
    assert admitted(limits, "192.0.2.1", 10) == 0
    clock.now += 1
    assert admitted(limits, "192.0.2.1", 10) == 3


def test_what_ends_after_a_new_key_does_not_count_in_its_table() -> None:
    clock = Clock()
    limits = limiter(clock, burst=10, concurrent=1, key_seconds=60.0)
    old = limits.enter("192.0.2.1")
    assert old is not None
    clock.now += 60
    assert limits.enter("192.0.2.1") is not None
    old.done()
    assert limits.enter("192.0.2.1") is None


def test_keys_differ_so_that_nobody_can_aim_at_another() -> None:
    clock = Clock()
    refused = 0
    for _ in range(20):
        limits = Limiter(1e-9, 1, 100, clock=clock)
        for host in range(200):
            limits.enter(f"198.51.100.{host}")
        refused += limits.enter("203.0.113.9") is None
    assert refused <= 1


def test_nothing_of_an_address_is_kept() -> None:
    limits = Limiter(1.0, 3, 100, clock=Clock())
    limits.enter("203.0.113.77")
    held = gc.get_referents(limits.__dict__)
    assert not any(isinstance(one, str | dict | list | set) for one in held)


@pytest.mark.parametrize("count", [100_000])
def test_the_table_does_not_grow(count: int) -> None:
    limits = Limiter(1.0, 3, 100, clock=Clock())
    before = [len(one) for one in gc.get_referents(limits.__dict__) if hasattr(one, "buffer_info")]
    for host in range(count):
        ticket = limits.enter(f"2001:db8:{host >> 8:x}:{host & 255:x}::1")
        if ticket is not None:
            ticket.done()
    assert before == [len(one) for one in gc.get_referents(limits.__dict__) if hasattr(one, "buffer_info")]


@given(st.lists(st.tuples(st.ip_addresses(), st.floats(0, 100)), max_size=50), st.integers(1, 5))
def test_nobody_gets_more_than_the_bucket_holds(visits: list[tuple[object, float]], burst: int) -> None:
    clock = Clock()
    limits = limiter(clock, burst=burst, per_second=0.5)
    counts: dict[str, int] = {}
    begun = clock.now
    for address, pause in visits:
        clock.now += pause
        counts[str(address)] = counts.get(str(address), 0) + (limits.enter(str(address)) is not None)
    for count in counts.values():
        # Two places, each of which may have been filled by time alone.
        assert count <= 2 * (burst + (clock.now - begun) * 0.5) + 1
