"""Handlers without a task: answers from callbacks, plans kept for the same head, tasks that come later."""

import asyncio
from collections.abc import Coroutine

import pytest
from support.lanes import TYPE, WAYS, port, post
from support.raw_http import connection, read_body, read_head

from tacita.errors import LimitExceeded
from tacita.net.message import Handler, Request


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_may_answer_from_a_callback(way: str) -> None:
    def handle(request: Request) -> None:
        content = request.content()
        assert content is not None
        loop = asyncio.get_running_loop()
        if content == b"fail":
            loop.call_later(0.01, request.fail, LimitExceeded("No."))
        else:
            loop.call_later(0.01, request.send, 200, TYPE, content)

    def waiting(request: Request) -> Coroutine[None, None, None] | None:
        if way == "aiohttp":  # It calls handlers when the head is there.
            return read_first(request)
        handle(request)
        return None

    async def read_first(request: Request) -> None:
        content = b""
        while piece := await request.read():
            content += piece
        if content == b"fail":
            raise LimitExceeded("No.")
        request.send(200, TYPE, content)

    async with port({"/echo": waiting}, way) as one, connection(one.number) as (reader, writer):
        for content, status in ((b"a", b"200"), (b"fail", b"413"), (b"b", b"200")):
            writer.write(post(content))
            head = await read_head(reader)
            await read_body(reader, head)
            assert head.split(b" ")[1] == status


async def test_a_handler_without_a_task_is_told_that_the_peer_is_gone() -> None:
    begun, gone = asyncio.Event(), asyncio.Event()
    requests: list[Request] = []

    def handle(request: Request) -> None:
        request.on_gone = gone.set
        requests.append(request)
        begun.set()

    async with port({"/echo": handle}) as one:
        async with connection(one.number) as (_, writer):
            writer.write(post())
            await begun.wait()
        await gone.wait()
        requests[0].send(200, (), b"to nobody")
        requests[0].fail(LimitExceeded("To nobody."))
        assert not one.defects()


@pytest.mark.parametrize("way", WAYS)
async def test_a_plan_is_given_again_with_the_same_head_and_no_other(way: str) -> None:
    plans: list[object] = []

    async def handle(request: Request) -> None:
        plans.append(request.plan)
        request.plan = request.target
        await request.answer(200, TYPE, await request.read())

    async with port({"/echo": handle}, way) as one:
        for _ in range(2):
            async with connection(one.number) as (reader, writer):
                for target in ("/echo?1", "/echo?1", "/echo?2", "/echo?1"):
                    writer.write(post(b"x", target))
                    await read_body(reader, await read_head(reader))
    first = [None, b"/echo?1" if way == "lane" else None, None, None]
    assert plans == first * 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ends", ["answers", "raises", "peer gone"])
async def test_a_handler_may_get_its_task_later(way: str, ends: str) -> None:
    gone, begun = asyncio.Event(), asyncio.Event()

    async def rest(request: Request) -> None:
        begun.set()
        if ends == "peer gone":
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()
        if ends == "raises":
            raise LimitExceeded("No.")
        await request.answer(200, TYPE, await request.read())

    def handle(request: Request) -> None:
        asyncio.get_running_loop().call_later(0.01, lambda: request.go_on(rest(request)))

    async with port({"/echo": handle}, way) as one:
        async with connection(one.number) as (reader, writer):
            writer.write(post(b"x"))
            await begun.wait()
            if ends != "peer gone":
                expected = b"200" if ends == "answers" else b"413"
                assert (await read_head(reader)).split(b" ")[1] == expected
        if ends == "peer gone":
            await gone.wait()
        assert not one.defects()


async def test_a_task_that_comes_too_late_is_dropped_and_the_handler_is_told() -> None:
    gone = asyncio.Event()
    requests: list[Request] = []
    begun = asyncio.Event()

    async def never(_request: Request) -> None:
        raise AssertionError

    def handle(request: Request) -> None:
        request.on_gone = gone.set
        requests.append(request)
        begun.set()

    async with port({"/echo": handle}) as one:
        async with connection(one.number) as (_, writer):
            writer.write(post())
            await begun.wait()
        await gone.wait()
        requests[0].go_on(never(requests[0]))
        assert not one.defects()


async def test_routes_that_change_hold_for_kept_connections_too() -> None:
    served: list[str] = []

    def named(name: str) -> Handler:
        def handle(request: Request) -> None:
            served.append(f"{name} {request.plan}")
            request.plan = name
            request.send(200, TYPE, b"")

        return handle

    routes = {"/echo": named("old")}
    async with port(routes.get) as one, connection(one.number) as (reader, writer):
        for change in ({}, {}, {"/echo": named("new")}, {}):
            routes.update(change)
            writer.write(post())
            await read_head(reader)
        routes.clear()
        writer.write(post())
        assert b" 404 " in await read_head(reader)
    assert served == ["old None", "old old", "new None", "new new"]
