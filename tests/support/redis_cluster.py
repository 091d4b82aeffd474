"""A real Redis Cluster of three masters without replicas: tests may kill its nodes and move its slots.

It is made for what the roles want of one: a node that is away takes its slots with it and no others.
A node that starts waits two seconds until it serves, so a module shares one cluster.
"""

import os
import socket
import time
from contextlib import ExitStack
from typing import Any, Self

import pytest
from support.ports import free_ports
from support.redis_server import DURABLE, RedisServer

__all__ = ["SLOTS", "RedisCluster", "serve_alone"]

SLOTS = 16_384

_SETTLE_SECONDS = 30.0


class RedisCluster:
    """Three nodes on the loopback interface, with `options` from redis.conf. A context manager."""

    def __init__(self, **options: str) -> None:
        self.host = _host()
        self.nodes: list[RedisServer] = []
        self.ports: list[int] = []
        for port, bus in zip(*[iter(free_ports(6))] * 2, strict=True):
            settings = {
                **DURABLE,
                "cluster-enabled": "yes",
                "cluster-require-full-coverage": "no",
                "cluster-node-timeout": "1000",
                "bind": self.host,
                "cluster-announce-ip": self.host,
                "port": str(port),
                "cluster-port": str(bus),
            }
            self.nodes.append(RedisServer(**settings | options))
            self.ports.append(port)
        self._buses = [int(node.options["cluster-port"]) for node in self.nodes]
        self.address = "redis+cluster://" + ",".join(f"{self.host}:{port}" for port in self.ports[:2])
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            for number, node in enumerate(self.nodes):
                first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
                node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
                node.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
                node.ask("CLUSTER", "MEET", self.host, str(self.ports[0]), str(self._buses[0]))
            self.settle()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the nodes that were killed; return when every one serves its slots and knows the others."""
        for node in self.nodes:
            if not node.runs:
                node.start()
        self.settle()

    def settle(self) -> None:
        """Return when all nodes say that the cluster is well."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not all(self._is_well(node) for node in self.nodes):
            if time.monotonic() > deadline:
                pytest.fail("the cluster did not settle")
            time.sleep(0.02)

    def flush(self) -> None:
        """Delete everything."""
        for node in self.nodes:
            node.ask("FLUSHALL")

    def ask(self, *command: str) -> list[Any]:
        """Return the replies of all nodes to `command`."""
        return [node.ask(*command) for node in self.nodes]

    def owners(self) -> list[int]:
        """Return for each slot the number of the node that serves it, by what each says of itself."""
        owners = [-1] * SLOTS
        for number, (node, own) in enumerate(zip(self.nodes, self._ids(), strict=True)):
            for first, last, owner, *_ in node.ask("CLUSTER", "SLOTS"):
                if owner[2].decode() == own:
                    owners[first : last + 1] = [number] * (last + 1 - first)
        return owners

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """Let node `target` import `slot` from `source`, which says ASK for keys that it does not have."""
        ids = self._ids()
        self.nodes[target].ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", ids[source])
        self.nodes[source].ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", ids[target])

    def move_keys(self, slot: int, source: int, target: int, most: int = 10_000) -> int:
        """Move up to `most` keys of `slot`; return how many."""
        names = self.nodes[source].ask("CLUSTER", "GETKEYSINSLOT", str(slot), str(most))
        for name in names:
            place = (self.host, str(self.ports[target]))
            self.nodes[source].ask("MIGRATE", *place, name, "0", "5000")
        return len(names)

    def end_move(self, slot: int, source: int, target: int) -> None:
        """Give `slot` to the node `target`, after all its keys."""
        owner = self._ids()[target]
        for number in (target, source, *({0, 1, 2} - {source, target})):
            self.nodes[number].ask("CLUSTER", "SETSLOT", str(slot), "NODE", owner)

    def move(self, slot: int, source: int, target: int) -> None:
        """Move `slot` with all its keys."""
        self.begin_move(slot, source, target)
        while self.move_keys(slot, source, target):
            pass
        self.end_move(slot, source, target)

    def _ids(self) -> list[str]:
        return [node.ask("CLUSTER", "MYID").decode() for node in self.nodes]

    def _is_well(self, node: RedisServer) -> bool:
        return is_well(node) and int(facts_of(node)["cluster_known_nodes"]) >= 3


def _host() -> str:
    """Return a loopback address of our own, where the system has more than one.

    A node that is killed needs its port again, which another process would be given meanwhile.
    """
    number = os.getpid()
    host = f"127.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{number % 256}"
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return "127.0.0.1"
    return host


def facts_of(node: RedisServer) -> dict[str, str]:
    """Return what `node` says of its cluster."""
    return dict(line.split(":") for line in node.ask("CLUSTER", "INFO").decode().split())


def is_well(node: RedisServer) -> bool:
    """Return whether `node` serves, and finds every slot served."""
    facts = facts_of(node)
    return facts["cluster_state"] == "ok" and int(facts["cluster_slots_ok"]) == SLOTS


def serve_alone(node: RedisServer) -> None:
    """Make `node`, which runs with cluster-enabled, a cluster by itself; return when it serves."""
    # It has taken already the slots that it has keys in.
    mine = [range(first, last + 1) for first, last, *_ in node.ask("CLUSTER", "SLOTS")]
    node.ask("CLUSTER", "ADDSLOTS", *(str(slot) for slot in sorted(set(range(SLOTS)).difference(*mine))))
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not is_well(node):
        if time.monotonic() > deadline:
            pytest.fail("the node did not serve")
        time.sleep(0.02)
