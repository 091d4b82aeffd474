"""Several servers of one target: the least busy is asked, and one that cannot be reached is left out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from support import raw_http
from support.gateways import ANSWER, Place, Target, gateway_running, get, post, token
from support.ports import free_port
from support.resolver import resolving

from gateway.backends import Backend, Backends
from tacita.net.upstream import Upstream, UpstreamUnreachable


@asynccontextmanager
async def several(*ports: int) -> AsyncIterator[list[Backend]]:
    async with AsyncExitStack() as stack:
        yield [
            Backend(await stack.enter_async_context(Upstream(f"http://127.0.0.1:{port}"))) for port in ports
        ]


async def ask(backends: Backends) -> bytes:
    async with backends.request("GET", "/", []) as answer:
        return await answer.read()


async def test_the_least_busy_is_asked_and_equals_by_chance() -> None:
    async with several(1, 2, 3) as (first, second, third):
        backends = Backends([first, second, third])
        first.under_way, second.under_way, third.under_way = 2, 1, 3
        assert backends.order(0.0) == [second, first, third]
        first.under_way = second.under_way = third.under_way = 1
        chosen = Counter(id(backends.order(0.0)[0]) for _ in range(300))
        assert len(chosen) == 3
        assert min(chosen.values()) > 50


async def test_one_that_was_unreachable_is_left_out_for_longer_each_time() -> None:
    async with several(1, 2) as (bad, good):
        backends = Backends([bad, good])
        now = 0.0
        for seconds in (1, 2, 4, 8, 16, 30, 30):
            bad.unreachable(now)
            assert backends.order(now + seconds - 0.1) == [good]
            assert set(backends.order(now + seconds)) == {bad, good}
            now += seconds
        bad.reached()
        bad.unreachable(now)
        assert set(backends.order(now + 1)) == {bad, good}


async def test_only_one_request_finds_out_whether_one_is_back() -> None:
    async with several(1, 2) as (bad, good):
        backends = Backends([bad, good])
        bad.unreachable(0.0)
        assert bad in backends.order(1.0)
        bad.tried(1.0)
        assert backends.order(1.5) == [good]


async def test_one_is_always_tried() -> None:
    async with several(1, 2) as (first, second):
        backends = Backends([first, second])
        first.unreachable(0.0)
        second.unreachable(0.5)
        assert backends.order(0.6) == [first]
        alone = Backends([first])
        assert alone.order(0.6) == [first]


async def test_who_cannot_be_reached_has_seen_nothing_so_the_next_one_is_asked() -> None:
    target = Target()
    async with raw_http.serving(target.handle) as port, several(free_port(), port) as (bad, good):
        backends = Backends([bad, good])
        for _ in range(20):
            assert await ask(backends) == b"answer"
        assert len(target.heads) == 20
        assert (bad.under_way, good.under_way) == (0, 0)


async def test_nobody_there_is_unreachable() -> None:
    async with several(free_port(), free_port()) as both:
        backends = Backends(both)
        for _ in range(3):
            with pytest.raises(UpstreamUnreachable):
                await ask(backends)
        assert [one.under_way for one in both] == [0, 0]


async def test_the_load_is_shared_while_answers_are_under_way() -> None:
    hold = asyncio.Event()
    asked = Counter[int]()

    def counting(number: int) -> raw_http.Handle:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await raw_http.read_head(reader)
            asked[number] += 1
            await hold.wait()
            writer.write(ANSWER)
            await writer.drain()

        return handle

    async with (
        raw_http.serving(counting(1)) as one,
        raw_http.serving(counting(2)) as two,
        several(one, two) as both,
    ):
        backends = Backends(both)
        tasks = [asyncio.create_task(ask(backends)) for _ in range(20)]
        while asked.total() < 20:  # noqa: ASYNC110 (the servers' counts are all that tells)
            await asyncio.sleep(0.005)
        assert asked == {1: 10, 2: 10}
        hold.set()
        assert await asyncio.gather(*tasks) == [b"answer"] * 20


@pytest.mark.parametrize("chunked", [False, True], ids=["one-shot", "chunked"])
async def test_a_request_finds_the_server_that_is_there(place: Place, chunked: bool) -> None:
    urls = f'["http://127.0.0.1:{free_port()}", "http://127.0.0.1:{place.target.port}"]'
    more = f'[[targets]]\norigin = "https://many.example"\nurls = {urls}'
    async with gateway_running(place, targets=more) as gateway:
        for _ in range(4):
            asked = post(b"content", token(), authority=b"many.example")
            assert (await gateway.ask(asked, chunked=chunked)).content == b"answer"
    assert place.target.bodies == [b"content"] * 4
    assert "Host: many.example" in place.target.lines


async def test_a_target_may_have_less_room_for_its_answers_than_a_token_buys(place: Place) -> None:
    more = (
        f'[[targets]]\norigin = "https://short.example"\nurl = "http://127.0.0.1:{place.target.port}"\n'
        "response_bytes = 4096"
    )
    place.target.says(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000))
    async with gateway_running(place, targets=more) as gateway:
        assert (await gateway.ask(get(token(), authority=b"short.example"))).head.status == 502
        assert len((await gateway.ask(get(token()))).content) == 5000


async def test_an_origin_whose_name_leads_inside_is_not_reached_unless_it_was_mapped(place: Place) -> None:
    port = place.target.port
    more = (
        f'[[targets]]\norigin = "http://inside.localtest:{port}"\n'
        f'[[targets]]\norigin = "http://127.0.0.1:{port}"\nprivate = true'
    )
    with resolving(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]):
        async with gateway_running(place, targets=more) as gateway:
            inside = f"inside.localtest:{port}".encode()
            refused = await gateway.ask(get(token(), scheme=b"http", authority=inside))
            assert refused.head.status == 502
            assert not place.target.heads
            mapped = await gateway.ask(get(token(), scheme=b"http", authority=f"127.0.0.1:{port}".encode()))
            assert mapped.content == b"answer"
