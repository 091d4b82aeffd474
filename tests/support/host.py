"""One host of several, as near as one kernel comes to it: what `unshare` runs in namespaces of its own.

    unshare --uts --ipc --net --pid --mount-proc --kill-child python host.py FOLDER

It has its own name, loopback, ports, process numbers and mounts; of the others it sees the folder of keys,
mounted at a place of its own, and a folder in which each host leaves its directory for clients to find.
Here it runs one issuer, and clients that take some host's directory to it, until a file `stop` appears. What
they saw goes into `seen.jsonl`, one line for each round. (All have one clock, which cannot be unshared.)
"""

import asyncio
import base64
import ctypes
import fcntl
import json
import os
import random
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from support import processes
from support.issuers import ask_one

from issuer.directory import WELL_KNOWN
from issuer.token_requests import PATH
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.types import blind_rsa

__all__ = ["COMMAND", "PORT"]

COMMAND = ("unshare", "--uts", "--ipc", "--net", "--pid", "--mount-proc", "--kill-child")
"""What isolates a host. It dies with this process, whole and at once, as a machine does."""

PORT, ADMIN_PORT = 8080, 8081
"""The same on every host: they have nothing to do with each other."""

_MS_BIND = 4096
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def _set_up(name: str, keys: Path, mounted: Path) -> None:
    socket.sethostname(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    libc = ctypes.CDLL(None, use_errno=True)
    mounted.mkdir(exist_ok=True)
    if libc.mount(os.fsencode(keys), os.fsencode(mounted), None, _MS_BIND, None):
        raise OSError(ctypes.get_errno(), "cannot mount the folder of keys")


async def _live(own: Path, task: dict[str, Any]) -> int:
    exchange = Path(task["exchange"])
    async with processes.role("issuer", task["config"], own, admin_port=ADMIN_PORT) as role:
        with (own / "seen.jsonl").open("a") as seen:
            async with aiohttp.ClientSession() as session:
                while not (exchange / "stop").exists():
                    seen.write(json.dumps(await _round(session, exchange, task)) + "\n")
                    seen.flush()
        return await role.stop()


async def _round(session: aiohttp.ClientSession, exchange: Path, task: dict[str, Any]) -> dict[str, Any]:
    began = time.time()
    async with session.get(f"http://127.0.0.1:{PORT}{WELL_KNOWN}") as response:
        assert response.status == 200
        mine = await response.read()
    ended = time.time()
    _leave(exchange / f"{task['name']}.directory", mine)
    # A client that has its directory from any host, and asks this one.
    source, directory = _some_directory(exchange)
    entry = IssuerDirectory.from_json(directory).current_key(blind_rsa.TOKEN_TYPE, time.time())
    asked = ask_one(blind_rsa.load_public_key(entry.public_key))
    headers = task["credential"] | asked.headers
    async with session.post(f"http://127.0.0.1:{PORT}{PATH}", data=asked.body, headers=headers) as response:
        answer = await response.read()
    return {
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "began": began,
        "ended": ended,
        "directory": base64.b64encode(mine).decode(),
        "asked_under": entry.not_before,
        "from": source,
        "status": response.status,
        "tokens": len(asked.tokens(answer)) if response.status == 200 else 0,
        "at": time.time(),
    }


def _leave(path: Path, directory: bytes) -> None:
    path.with_suffix(".new").write_bytes(directory)
    path.with_suffix(".new").replace(path)


def _some_directory(exchange: Path) -> tuple[str, bytes]:
    """Return the name of a host, and what it showed last."""
    path = random.choice(list(exchange.glob("*.directory")))
    return path.stem, path.read_bytes()


def main() -> int:
    """Be the host that the file `task.json` in the folder of the first argument describes."""
    own = Path(sys.argv[1])
    task = json.loads((own / "task.json").read_text())
    _set_up(task["name"], Path(task["keys"]), own / "keys")
    return asyncio.run(_live(own, task))


if __name__ == "__main__":
    sys.exit(main())
