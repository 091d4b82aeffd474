"""A Redis Cluster: each call goes to the node that serves its slot; one that is away takes no others with it.

Every node is a `RedisServer` of its own: one connection, checked each time it is made, nothing retried that
may have been carried out. redis-py's cluster client sends again what broke off, so only its parts are
used: the hash of a key, the errors of a cluster.

A node refuses a call for a slot that it does not serve *before* it does anything: MOVED (another node
serves it), ASK (it is moving, and this key has gone or is new), TRYAGAIN (some keys of the call have gone).
Such a call is made once more, where the answer says. All else that fails is told to the caller. Whenever
the view of the cluster proves old, or a node cannot be reached, it is read again, in the background.

A cluster without replicas and with `cluster-require-full-coverage no` is what it is made for: a master that
is away takes its slots with it and no others, until it returns with its append-only file. With `yes`
all masters refuse until then, which is as safe and less available; it is taken, too. Replicas
are refused as on a single server, since one that takes over may not know the newest records.

It is ready as long as one master can be used: an instance that is taken out of service because of one dead
master would refuse what the others could answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from redis.exceptions import AskError, MovedError, RedisError, ResponseError, TryAgainError

from tacita.errors import ConfigError
from tacita.service.redis.address import Endpoint, Link, cluster_linker
from tacita.service.redis.checks import is_refusal, sentence
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import ScriptCall, key_of
from tacita.service.redis.server import RedisServer, ask, told
from tacita.service.redis.topology import Topology, key_slot

__all__ = ["RedisCluster"]

_PAUSE = 0.5
"""Seconds at least between two readings of the topology; a failure is noticed once per batch."""

_Way = tuple[Endpoint | None, bool]
"""Where a call goes, and whether it has to say ASKING there."""


class RedisCluster:
    """A checked cluster, a `tacita.service.redis.protocol.Redis`. Make it with `open`."""

    def __init__(
        self,
        seeds: Sequence[Endpoint],
        new_link: Callable[[Endpoint], Link],
        records: str,
        *,
        accept_replicas: bool,
        timeout: float,
    ) -> None:
        self._seeds = seeds
        self._new_link = new_link
        self._records = records
        self._accept_replicas = accept_replicas
        self._timeout = timeout
        self._topology: Topology | None = None
        self._nodes: dict[Endpoint, RedisServer] = {}  # one that has left stays: it may come back, or say ASK
        self._reading: asyncio.Task[None] | None = None
        self._read_at = float("-inf")
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: str,
        records: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        accept_replicas: bool = False,
        timeout: float = 2.0,
    ) -> Self:
        """Ask a node at `address` (see `tacita.service.redis.address`) for the others; check all masters.

        A call waits for its node for at most `timeout` seconds. The other arguments are those of
        `RedisServer.open`.

        Raises:
            ConfigError: the address is malformed, what is there is no cluster, or one of the masters
                that could be reached could forget records.
            RedisUnavailable: none of them can be reached.
        """
        seeds, new_link = cluster_linker(address, password_file=password_file, ca_file=ca_file)
        cluster = cls(seeds, new_link, records, accept_replicas=accept_replicas, timeout=timeout)
        try:
            await cluster._read_topology(refusal=ConfigError)
            await cluster._on_masters(RedisServer.begin)
        except BaseException:
            await cluster.close()
            raise
        return cluster

    def group_of(self, key: bytes) -> bytes:
        """See `Redis.group_of`: one key. Others of its slot would be refused while that moves (TRYAGAIN)."""
        return key

    def lane_of(self, key: bytes) -> Hashable:
        """See `Redis.lane_of`: the node that serves the slot of `key`, as far as we know."""
        return self._owner(key)

    async def run(self, calls: Sequence[ScriptCall]) -> list[object]:
        """See `Redis.run`. Nodes are asked at the same time."""
        until = asyncio.get_running_loop().time() + self._timeout
        ways: list[_Way] = [(self._owner(key_of(call)), False) for call in calls]
        replies = await self._send(calls, ways, until)
        again = [place for place, reply in enumerate(replies) if isinstance(reply, AskError | TryAgainError)]
        if again:
            further = [self._way_on(replies[place], ways[place]) for place in again]
            for place, reply in zip(
                again, await self._send([calls[place] for place in again], further, until), strict=True
            ):
                replies[place] = reply
        if again or any(isinstance(reply, ResponseError) for reply in replies):
            self._read_again()
        return told(replies, self._records)

    async def names(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """See `Redis.names`. What moves meanwhile may be missed or come twice."""
        failure: RedisUnavailable | None = None
        for master in self._masters():
            try:
                async for found in self._node(master).names(pattern):
                    yield found
            except RedisUnavailable as error:
                failure = error
        if failure is not None:
            raise failure

    async def check(self) -> None:
        """See `Redis.check`: raises where no master can be used."""
        self._read_again()
        await self._on_masters(RedisServer.check)

    async def close(self) -> None:
        """See `Redis.close`."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    def _masters(self) -> tuple[Endpoint, ...]:
        return self._topology.masters if self._topology is not None else ()

    def _owner(self, key: bytes) -> Endpoint | None:
        return self._topology.owner(key_slot(key)) if self._topology is not None else None

    def _node(self, endpoint: Endpoint) -> RedisServer:
        node = self._nodes.get(endpoint)
        if node is None:
            if self._closed:
                raise RedisUnavailable("The connection to Redis is closed.")
            node = self._nodes[endpoint] = RedisServer(
                lambda: self._new_link(endpoint),
                self._records,
                accept_replicas=self._accept_replicas,
                timeout=self._timeout,
                cluster=True,
            )
        return node

    async def _send(self, calls: Sequence[ScriptCall], ways: Sequence[_Way], until: float) -> list[object]:
        places: dict[_Way, list[int]] = {}
        for place, way in enumerate(ways):
            places.setdefault(way, []).append(place)
        if len(places) == 1:  # as ever when calls come by lanes: no task for that
            return await self._send_to(ways[0], calls, until)
        parts = await asyncio.gather(
            *(self._send_to(way, [calls[place] for place in part], until) for way, part in places.items())
        )
        replies: list[object] = [None] * len(calls)
        for part, answers in zip(places.values(), parts, strict=True):
            for place, answer in zip(part, answers, strict=True):
                replies[place] = answer
        return replies

    async def _send_to(self, way: _Way, calls: Sequence[ScriptCall], until: float) -> list[object]:
        endpoint, asking = way
        try:
            if endpoint is None:
                raise RedisUnavailable("No node of the Redis cluster serves this slot; see CLUSTER INFO.")
            return await self._node(endpoint).exchange(calls, asking=asking, until=until)
        except RedisUnavailable as error:
            self._read_again()
            return [RedisUnavailable(str(error)) for _ in calls]

    def _way_on(self, answer: object, way: _Way) -> _Way:
        """Return where a call goes that was answered with `answer` on its `way`."""
        if not isinstance(answer, AskError) or way[0] is None:
            return way  # TRYAGAIN
        there = Endpoint(answer.host or way[0].host, answer.port)
        if isinstance(answer, MovedError) and self._topology is not None:
            self._topology.moved(answer.slot_id, there)
        return there, not isinstance(answer, MovedError)

    async def _on_masters(self, look: Callable[[RedisServer], Coroutine[None, None, None]]) -> None:
        """Take a `look` at every master. Raises `ConfigError` as one of them, and where all of them fail."""
        outcomes = await asyncio.gather(
            *(look(self._node(master)) for master in self._masters()), return_exceptions=True
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        serious = [failure for failure in failures if not isinstance(failure, RedisUnavailable)]
        if serious:
            raise serious[0]
        if failures and len(failures) == len(outcomes):
            raise failures[0]

    def _read_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._reading is None and not self._closed and now >= self._read_at + _PAUSE:
            self._reading = asyncio.create_task(self._read_in_background())

    async def _read_in_background(self) -> None:
        try:
            with suppress(RedisUnavailable):
                await self._read_topology(refusal=RedisUnavailable)
        finally:
            self._read_at = asyncio.get_running_loop().time()
            self._reading = None

    async def _read_topology(self, *, refusal: type[ConfigError | RedisUnavailable]) -> None:
        """Ask one node after the other, over a connection that no batch waits for, until one tells."""
        failures: list[ConfigError | RedisUnavailable] = []
        for endpoint in dict.fromkeys((*self._masters(), *self._seeds)):
            try:
                self._topology = await self._topology_at(endpoint)
            except RedisUnavailable as error:
                failures.append(error)
            except ResponseError as error:
                failures.append(refusal(_refused(error, self._records)))
            except (RedisError, OSError) as error:
                kind = refusal if is_refusal(error) else RedisUnavailable
                failures.append(kind(sentence(error, self._records)))
            else:
                return
        raise next(
            (failure for failure in failures if isinstance(failure, ConfigError)), failures[0]
        ) from None

    async def _topology_at(self, endpoint: Endpoint) -> Topology:
        link = self._new_link(endpoint)
        try:
            async with asyncio.timeout(self._timeout):
                await link.connect()
                return Topology(await ask(link, [b"CLUSTER", b"SLOTS"]), endpoint)
        except TimeoutError:
            raise RedisUnavailable(f"Redis did not answer within {self._timeout:g} seconds.") from None
        finally:
            with suppress(RedisError, OSError):
                await link.disconnect(nowait=True)


def _refused(error: ResponseError, records: str) -> str:
    if "cluster support disabled" in str(error):
        return f"Redis does not run as a cluster; give the address of {records} as redis://host:port."
    return sentence(error, records)
