"""That a message is served once: on open targets, and after its token was given back; each relay's room."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import raw_http
from support.clocks import Clock
from support.gateways import ANSWER, Gateway, Place, gateway_running, get, message, post, problem_of, token
from support.ports import free_port
from support.redis_server import DURABLE, RedisServer

from gateway.config import KeysConfig
from gateway.errors import ReplayRoomFull, RequestReplayed
from gateway.keys import Keyring
from gateway.observe import Observations
from gateway.replay import Envelope, Replays, ReplayStore, longest_seconds
from gateway.stores import open_replay_store
from tacita import bhttp
from tacita.bhttp import Request, Response
from tacita.ohttp import media, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.service.metrics import Metrics

FREE = b"free.example"
FAILED = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"
DAY = 86_400


class Recorded:
    """A message as somebody on the way has recorded it, who can send it again and again."""

    def __init__(self, gateway: Gateway, request: Request, *, chunked: bool = False) -> None:
        self._gateway = gateway
        self._chunked = chunked
        plain = bhttp.encode_request(request)
        if chunked:
            self._sealer = RequestSealer(gateway.configs[0])
            self.body = self._sealer.header() + self._sealer.seal(plain) + self._sealer.finish()
        else:
            self.body, self._context = oneshot.encapsulate_request(gateway.configs[0], plain)

    async def send(self) -> Response:
        kind = media.CHUNKED_REQUEST if self._chunked else media.REQUEST
        head, body = await self._gateway.raw(message(self.body, kind))
        assert head.startswith(b"HTTP/1.1 200 "), head
        if self._chunked:
            opener = self._sealer.response_opener()
            return bhttp.decode_response(b"".join(opener.feed(body) + opener.finish()))
        return bhttp.decode_response(self._context.decapsulate_response(body))

    async def statuses(self, count: int) -> list[int]:
        return [(await self.send()).head.status for _ in range(count)]


def dated(seconds: float) -> tuple[bytes, bytes]:
    """Return a Date field that is off by so many seconds."""
    when = datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC)
    return b"date", format_datetime(when, usegmt=True).encode()


def ends(place: Place) -> list[int]:
    """Return when each message that is remembered ends, read straight from the file."""
    with closing(sqlite3.connect(place.folder / "spent.sqlite.replay")) as db:
        return [end for (end,) in db.execute("SELECT expires FROM seen")]


BOTH = pytest.mark.parametrize("chunked", [False, True], ids=["one-shot", "chunked"])


@BOTH
async def test_a_message_for_an_open_target_is_served_once(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    recorded = Recorded(gateway, get(authority=FREE), chunked=chunked)
    assert (await recorded.send()).content == b"answer"
    found, fields, body = problem_of(await recorded.send())
    assert found == 400
    assert b"sent" not in dict(fields)
    assert b"served before" in body
    assert await recorded.statuses(2) == [400, 400]
    assert len(place.target.heads) == 1
    assert gateway.counted('replay_cache_total{event="remembered"}') == 1
    assert gateway.counted('replay_cache_total{event="replayed"}') == 3


async def test_of_fifty_copies_at_once_one_reaches_an_open_target(place: Place, gateway: Gateway) -> None:
    recorded = Recorded(gateway, get(authority=FREE))
    found = await asyncio.gather(*(recorded.send() for _ in range(50)))
    assert sorted(response.head.status for response in found) == [200] + [400] * 49
    assert len(place.target.heads) == 1


async def test_the_same_request_in_new_messages_is_served_each_time(place: Place, gateway: Gateway) -> None:
    for _ in range(3):
        assert (await gateway.ask(get(authority=FREE))).head.status == 200
    assert len(place.target.heads) == 3


async def test_replays_are_known_after_a_restart_and_at_other_instances(place: Place) -> None:
    async with gateway_running(place) as one, gateway_running(place) as other:
        recorded = Recorded(one, get(authority=FREE))
        assert await recorded.statuses(1) == [200]
        recorded._gateway = other
        assert await recorded.statuses(1) == [400]
    async with gateway_running(place) as gateway:
        recorded._gateway = gateway
        assert await recorded.statuses(1) == [400]


async def test_a_message_with_a_date_is_remembered_for_the_window_only(place: Place) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What the tests' target does by itself takes no field twice.
        writer.write(ANSWER)

    now = datetime.now(UTC).timestamp()
    async with gateway_running(place, limits="date_window_seconds = 60") as gateway:
        for off in (-50, 0, 50):
            recorded = Recorded(gateway, get(dated(off), authority=FREE))
            assert await recorded.statuses(2) == [200, 400]
        place.target.answer = answer
        assert await Recorded(gateway, get(dated(50), dated(-50), authority=FREE)).statuses(1) == [200]
    for end, off in zip(sorted(ends(place)), (-50, -50, 0, 50), strict=True):
        assert -1 <= end - (now + off + 60 + 300) <= 20


async def test_a_date_outside_the_window_is_400_and_not_remembered(place: Place, gateway: Gateway) -> None:
    found, fields, body = problem_of(await gateway.ask(get(dated(-310), authority=FREE)))
    assert found == 400
    assert b"http-problem-types#date" in body
    assert b"date" in dict(fields)
    assert ends(place) == []
    assert not place.target.heads


async def test_a_message_without_a_date_is_remembered_as_long_as_its_key(
    place: Place, gateway: Gateway
) -> None:
    assert (await gateway.ask(get(authority=FREE))).head.status == 200
    now = datetime.now(UTC).timestamp()
    (end,) = ends(place)
    assert end == (now // DAY + 1) * DAY + 3600 + 300
    # The two keys of the present epoch, then those of the next.
    assert (await gateway.ask(get(authority=FREE), key=2)).head.status == 200
    assert max(ends(place)) == end + DAY


# Tokens


async def test_a_paid_message_is_remembered_by_its_token_alone(place: Place, gateway: Gateway) -> None:
    recorded = Recorded(gateway, get(token()))
    assert await recorded.statuses(2) == [200, 401]
    assert ends(place) == []


@BOTH
async def test_the_message_in_which_a_token_came_back_is_good_for_nothing(
    place: Place, gateway: Gateway, chunked: bool
) -> None:
    paid = token()
    place.target.says(FAILED)
    recorded = Recorded(gateway, get(paid), chunked=chunked)
    assert await recorded.statuses(1) == [500]
    place.target.answer = None
    found, _, body = problem_of(await recorded.send())
    assert found == 400
    assert b"served before" in body
    assert len(place.target.heads) == 1, "the recorder reached nobody"
    # The owner shows the token in a new message, and has it still.
    assert (await gateway.ask(get(paid), chunked=chunked)).content == b"answer"
    assert len(place.target.heads) == 2


async def test_an_unreachable_target_gives_back_the_token_but_not_the_message(place: Place) -> None:
    more = f'[[targets]]\norigin = "https://off.example"\nurl = "http://127.0.0.1:{free_port()}"'
    async with gateway_running(place, targets=more) as gateway:
        paid = token()
        recorded = Recorded(gateway, post(b"x", paid, authority=b"off.example"))
        assert await recorded.statuses(2) == [502, 400]
        assert (await gateway.ask(get(paid))).head.status == 200


async def test_both_messages_of_a_token_that_came_back_twice_are_remembered(
    place: Place, gateway: Gateway
) -> None:
    paid = token()
    place.target.says(FAILED)
    first, second = Recorded(gateway, get(paid)), Recorded(gateway, get(paid))
    assert await first.statuses(1) + await second.statuses(1) == [500, 500]
    place.target.answer = None
    assert (await gateway.ask(get(paid))).head.status == 200
    assert await first.statuses(1) + await second.statuses(1) == [401, 401]
    assert len(ends(place)) == 3, "the third was held before the target was asked"


async def test_where_the_message_cannot_be_remembered_the_token_stays_spent(place: Place) -> None:
    place.target.says(FAILED)
    replay = "[replay]\nrequests_per_second = 0.000001"
    async with gateway_running(place, targets=replay) as gateway:
        assert (await gateway.ask(get(authority=FREE))).head.status == 500
        paid = token()
        assert (await gateway.ask(get(paid))).head.status == 500
        assert (await gateway.ask(get(paid))).head.status == 401
        assert gateway.counted('tokens_total{event="burnt"}') == 1
        assert gateway.counted('replay_cache_total{event="full"}') == 1


# Room, and a store that is away


async def test_a_full_room_is_503_inside_and_nothing_reaches_the_target(place: Place) -> None:
    replay = "[replay]\nrequests_per_second = 0.000001"
    async with gateway_running(place, targets=replay) as gateway:
        assert (await gateway.ask(get(authority=FREE))).head.status == 200
        for chunked in (False, True):
            assert problem_of(await gateway.ask(get(authority=FREE), chunked=chunked))[0] == 503
        assert (await gateway.ask(get(token()))).head.status == 200, "paid requests need no room"
        assert len(place.target.heads) == 2
        assert gateway.counted('replay_cache_total{event="full"}') == 2


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


async def test_a_store_that_is_down_is_503_inside_for_open_targets_too(
    place: Place, redis_server: RedisServer
) -> None:
    async with gateway_running(place, store=f'redis = "{redis_server.address}"') as gateway:
        recorded = Recorded(gateway, get(authority=FREE))
        assert await recorded.statuses(1) == [200]
        redis_server.kill()
        assert problem_of(await gateway.ask(get(authority=FREE)))[0] == 503
        redis_server.start()
        assert await recorded.statuses(1) == [400]
        assert len(place.target.heads) == 1
        assert gateway.counted('replay_cache_total{event="unavailable"}') == 1


async def test_a_token_whose_message_cannot_be_remembered_is_not_given_back(
    place: Place, redis_server: RedisServer
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_body(reader, head)
        redis_server.kill()
        writer.write(FAILED)

    place.target.answer = answer
    async with gateway_running(place, store=f'redis = "{redis_server.address}"') as gateway:
        recorded = Recorded(gateway, get(token()))
        assert await recorded.statuses(1) == [500]
        redis_server.start()
        place.target.answer = None
        assert await recorded.statuses(1) == [401]
        assert len(place.target.heads) == 1


# The parts


class World:
    """A replay cache in a file, with keys on a clock of their own."""

    def __init__(self, folder: Path, store: ReplayStore, **changes: Any) -> None:
        self.clock = Clock(1_000_000 * DAY / 10.0)
        self.config = KeysConfig(state=folder / "chain.key", **changes)
        self.keyring = Keyring(self.config, clock=self.clock, uptime=self.clock)
        self.keyring.turn()
        self.replays = Replays(
            store,
            self.config,
            lambda: self.keyring.shown,
            Observations(Metrics("gateway")),
            date_window=60,
            room=2,
        )


async def test_one_relay_does_not_fill_the_room_of_another(tmp_path: Path) -> None:
    store = await open_replay_store(str(tmp_path / "replay"))
    replays = World(tmp_path, store).replays
    for number in range(2):
        await replays.remember(Envelope(1, b"a%d" % number, "greedy"), None)
    with pytest.raises(ReplayRoomFull):
        await replays.remember(Envelope(1, b"a2", "greedy"), None)
    await replays.remember(Envelope(1, b"b1", "modest"), None)
    await replays.remember(Envelope(1, b"c1"), None)
    with pytest.raises(RequestReplayed):
        await replays.remember(Envelope(1, b"a0", "modest"), None)
    # The same bytes to another key are another message.
    await replays.remember(Envelope(2, b"a0", "modest"), None)
    await store.close()


async def test_a_message_is_held_once_by_its_own_exchange(tmp_path: Path) -> None:
    store = await open_replay_store(str(tmp_path / "replay"))
    replays = World(tmp_path, store).replays
    once, copy = (replays.of(Envelope(1, b"enc"), None) for _ in range(2))
    await once.hold()
    await once.hold()
    for _ in range(2):
        with pytest.raises(RequestReplayed):
            await copy.hold()
    await store.close()


_CONFIGS = st.integers(2, 400_000).flatmap(
    lambda period: st.fixed_dictionaries(
        {
            "period_seconds": st.just(period),
            "grace_seconds": st.integers(0, min(3600, period - 1)),
            "kems": st.sampled_from([("x25519",), ("p256", "x25519")]),
        }
    )
)


@given(_CONFIGS, st.floats(0, 0.999), st.integers(0, 2))
def test_a_message_is_remembered_until_its_key_is_gone(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any], at: float, turns: int
) -> None:
    world = World(tmp_path_factory.mktemp("keys"), None, **changes)  # type: ignore[arg-type]
    period, clock, keyring = world.config.period_seconds, world.clock, world.keyring
    clock.now = (clock.now // period + at) * period
    for _ in range(turns):
        clock.now += period
        keyring.turn()
    ids = [key.config.key_id for key in keyring.shown.keys]
    until = {key_id: world.replays._accepted_until(key_id) for key_id in ids}
    assert all(end <= clock.now + longest_seconds(world.config) for end in until.values())
    for _ in range(3):
        accepted = {key.config.key_id for key in keyring.shown.keys}
        assert accepted.isdisjoint(key_id for key_id, end in until.items() if clock.now >= end)
        clock.now = (clock.now // period + 1) * period + world.config.grace_seconds
        keyring.turn()
    assert accepted.isdisjoint(ids), "all of them have died by now"
