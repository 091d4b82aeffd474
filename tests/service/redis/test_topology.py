"""The reply to CLUSTER SLOTS: who serves what, and replies that are none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from tacita.service.redis.address import Endpoint
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.topology import Topology, key_slot

ASKED = Endpoint("asked.example", 6379)


def test_slots_have_their_owners() -> None:
    replica = [b"10.0.0.9", 6379, b"id9", []]
    reply = [
        [0, 5460, [b"10.0.0.1", 7001, b"id1", []]],
        [5461, 9000, [b"10.0.0.2", 7002, b"id2"], replica],
        [9002, 16383, [b"10.0.0.1", 7001, b"id1", []]],
    ]
    topology = Topology(reply, ASKED)
    one, two = Endpoint("10.0.0.1", 7001), Endpoint("10.0.0.2", 7002)
    slots = (0, 5460, 5461, 9000, 9001, 16383)
    assert [topology.owner(slot) for slot in slots] == [one, one, two, two, None, one]
    assert topology.masters == (one, two)
    topology.moved(9001, two)
    assert topology.owner(9001) == two
    topology.moved(16384, two)  # nonsense changes nothing


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ([b"node.example", 1, b"id", [b"ip", b"10.0.0.1"]], "node.example"),
        ([b"?", 1, b"id", [b"ip", b"10.0.0.1"]], "10.0.0.1"),
        ([b"?", 1, b"id", []], ASKED.host),
        ([b"?", 1, b"id"], ASKED.host),
        ([b"", 1, b"id", []], ASKED.host),
        ([None, 1, b"id", []], ASKED.host),
    ],
)
def test_a_node_says_where_it_is_or_is_where_it_was_asked(node: list[object], host: str) -> None:
    assert Topology([[0, 9, node]], ASKED).masters == (Endpoint(host, 1),)


def test_a_cluster_without_slots_is_unavailable() -> None:
    with pytest.raises(RedisUnavailable, match="assign"):
        Topology([], ASKED)


_junk = st.recursive(
    st.none() | st.integers() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.integers(-1, 16_384), st.integers(-1, 16_384), _junk).map(list) | _junk) | _junk)
def test_any_reply_is_a_topology_or_an_error(reply: object) -> None:
    with suppress(RedisError, RedisUnavailable):
        assert Topology(reply, ASKED).masters


def test_the_hash_tag_decides() -> None:
    # From the specification of Redis Cluster: CRC16 of "123456789" is 0x31C3.
    assert key_slot(b"123456789") == 0x31C3
    assert key_slot(b"spent:{123456789}") == key_slot(b"123456789")
