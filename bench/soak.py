"""`make soak`: a million tokens from a running issuer, whose memory has to stay where it is.

    python -m bench.soak [--short] [--tokens N] [--growth MB]

Eight clients ask for batches of 100. One token of each batch, at a random place, is a real one that is
finished and verified (a sample of 1 %); every answer has to be whole. Memory is the resident set of
the issuer's process, sampled after each hundredth of the tokens; it may grow by `--growth` from the first
tenth, in which caches fill, to the end.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from bench.issuer import BATCH, Issuer, issuer, make_folder
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.types import blind_rsa

__all__ = ["main"]

_CLIENTS = 8
_CHALLENGE = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", ("gateway.example",))


def main() -> int:
    """Run the soak; return 0, or 1 when memory has grown by more than it may."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Many tokens through one issuer, with its memory watched."
    )
    parser.add_argument("--short", action="store_true", help="50,000 tokens")
    parser.add_argument("--tokens", type=int, help="how many (default: 1,000,000)")
    parser.add_argument(
        "--growth", type=float, default=8.0, metavar="MB", help="bound on the growth of memory (default: 8)"
    )
    options = parser.parse_args()
    tokens = options.tokens or (50_000 if options.short else 1_000_000)
    return uvloop.run(_run(-(-tokens // BATCH), options.growth))


@dataclass
class _Progress:
    """What was done so far, and the memory in MB after each hundredth of `batches`."""

    batches: int
    pid: int
    started: int = 0
    done: int = 0
    memory: list[float] = field(default_factory=list)

    def next(self) -> bool:
        self.started += 1
        return self.started <= self.batches

    def count(self) -> None:
        self.done += 1
        while len(self.memory) < self.done * 100 // self.batches:
            self.memory.append(_resident(self.pid))


async def _run(batches: int, bound: float) -> int:
    with tempfile.TemporaryDirectory(prefix="tacita-soak-") as name:
        folder = Path(name)
        async with issuer(folder, make_folder(folder)) as running:
            progress, begin = _Progress(batches, running.pid), time.perf_counter()
            async with (
                aiohttp.ClientSession(headers=running.headers) as session,
                asyncio.TaskGroup() as tasks,
            ):
                for _ in range(_CLIENTS):
                    tasks.create_task(_client(session, running, progress))
            passed = time.perf_counter() - begin
    tenth, end = progress.memory[9], progress.memory[99]
    growth = end - tenth
    print(f"{batches * BATCH:,} tokens in {passed:.0f} s, {batches:,} of them finished and verified")
    print(
        f"memory of the issuer: {tenth:.1f} MB at 10 %, {end:.1f} at 100 %, "
        f"{max(progress.memory[9:]):.1f} at most"
    )
    print(f"growth: {growth:+.1f} MB, at most {bound:.1f} allowed")
    return 0 if growth <= bound else 1


async def _client(session: aiohttp.ClientSession, running: Issuer, progress: _Progress) -> None:
    while progress.next():
        place = secrets.randbelow(BATCH)
        request, pending = blind_rsa.request(_CHALLENGE.encode(), running.key)
        requests = [running.filler() for _ in range(BATCH)]
        requests[place] = request.encode()
        body = GenericBatchTokenRequest(tuple(requests)).encode()
        async with session.post(running.url, data=body) as response:
            answer = await response.read()
            if response.status != 200:
                raise RuntimeError(f"a batch was answered with {response.status}")
        answers = GenericBatchTokenResponse.decode(answer, limit=BATCH).token_responses
        if len(answers) != BATCH or None in answers:
            raise RuntimeError("a batch was granted in part")
        mine = answers[place]
        assert mine is not None
        token = blind_rsa.finalize(pending, blind_rsa.TokenResponse.decode(mine.token_response))
        blind_rsa.verify(token, running.key, _CHALLENGE.digest())
        progress.count()


def _resident(pid: int) -> float:
    """Return the resident set of a process in MB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the issuer is gone")


if __name__ == "__main__":
    sys.exit(main())
