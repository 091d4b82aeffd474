"""A stub of an OpenAI-compatible server, as a process or in the test's own: echoes, one word an event.

`python stub_model.py PORT` serves until it is killed.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

__all__ = ["Stub", "stub_running"]


class Stub:
    """Answers `You said: <the question>`, but stops after a word where that begins with "hang" or "break"."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.path, dict(request.headers), body))
        if request.path != "/v1/chat/completions":
            return web.json_response({"error": {"message": "There is no such path."}}, status=404)
        asked = json.loads(body)
        question = asked["messages"][-1]["content"]
        if asked["model"] == "absent":
            return web.json_response({"error": {"message": "There is no such model."}}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in ["You", " said:", *(f" {word}" for word in question.split(" "))]:
            await response.write(_event({"choices": [{"index": 0, "delta": {"content": word}}]}))
            if question.startswith("hang"):
                await asyncio.sleep(600)
            if question.startswith("break"):
                assert request.transport is not None
                request.transport.close()
                return response
        await response.write(b"data: [DONE]\n\n")
        return response


def _event(document: object) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


@asynccontextmanager
async def stub_running(port: int = 0) -> AsyncIterator[Stub]:
    """Run a stub in this process."""
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", stub.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stub
    finally:
        await runner.cleanup()


async def _serve(port: int) -> None:
    async with stub_running(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
