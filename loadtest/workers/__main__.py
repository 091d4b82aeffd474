"""`python -m loadtest.workers`: one load process, told everything over its standard input."""

import asyncio
import gc
import os
import sys

import uvloop

from loadtest.workers.channel import child_channel
from loadtest.workers.messages import Failed, Go, Plan, Ready, Stop
from loadtest.workers.sender import Sender
from tacita.errors import TacitaError


async def _run() -> int:
    channel = await child_channel()
    plan = await channel.receive(Plan)
    try:
        sender = Sender(plan, channel)
    except TacitaError as error:
        channel.send(Failed(type(error).__name__, str(error)))
        return 1
    channel.send(Ready())
    # What is there now stays: a collection need not look at it again, and is short.
    gc.collect()
    gc.freeze()
    go = await channel.receive(Go)
    stopping = asyncio.create_task(channel.receive(Stop))
    try:
        await sender.run(go.at, stopping)
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
    return 0


if __name__ == "__main__":
    code = uvloop.run(_run())
    sys.stdout.flush()
    os._exit(code)
