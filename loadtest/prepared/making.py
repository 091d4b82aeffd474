"""Making requests ahead, in several processes, into files that later runs use up.

A file is *stale* when what it holds can no longer be sent with success: the gateway's key or the
issuer's is gone, the challenge is another, or it was made for another request. Then it is made
anew, and the sentence says why; tokens that were left in it are given up.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest.errors import OutOfTokens, PreparedUnusable, WorkerDied
from loadtest.prepared.content import Content
from loadtest.prepared.file import PreparedFile, Purpose
from loadtest.prepared.records import Record
from loadtest.scenarios import Kind
from loadtest.workers.children import Child, children
from loadtest.workers.messages import Failed, Made, MakePlan
from loadtest.world import World

__all__ = ["Making", "Shelf", "purpose"]

Progress = Callable[[str, int, int], None]
"""Told the kind, how many there are by now, and how many are wanted."""


def purpose(kind: Kind, world: World, content: Content, batch: int) -> Purpose:
    """Return what a request of `kind` made now would be for."""
    key = world.issuing_key
    if kind == "batch":
        return Purpose(kind, f"{batch} tokens", challenge=world.challenge.digest().hex(), issuer_key=key)
    inside = f"{content.target} {content.model} {content.size} {content.max_tokens}"
    config = world.key_config.encode().hex()
    if kind == "bare":
        return Purpose(kind, inside, key_config=config)
    return Purpose(kind, inside, config, world.challenge.digest().hex(), key)


@dataclass(frozen=True, slots=True)
class Making:
    """How requests are made: in so many processes, batches of so many tokens in the scenario `issue`."""

    processes: int
    batch: int


class Shelf:
    """The files of one folder, one for each kind, which are kept for one deployment."""

    def __init__(self, folder: Path, world: World, content: Content, making: Making) -> None:
        self._folder = folder
        self._world = world
        self._content = content
        self._making = making

    def file(self, kind: Kind) -> PreparedFile:
        """Return the file of `kind`, which may not exist."""
        return PreparedFile(self._folder / f"{kind}.prepared")

    def stale(self, kind: Kind) -> str:
        """Say why the file of `kind` cannot be used (any more): empty if it can."""
        file = self.file(kind)
        if not file.path.exists():
            return "there is none yet"
        try:
            found = file.header().purpose
        except PreparedUnusable as error:
            return str(error).rstrip(".")
        wanted = purpose(kind, self._world, self._content, self._making.batch)
        reasons = {
            "it was made for another request": (found.kind, found.content) != (wanted.kind, wanted.content),
            "the gateway's challenge is another by now": found.challenge != wanted.challenge,
            "the issuer's key is gone": bool(found.issuer_key)
            and found.issuer_key not in self._world.issuer_keys,
            "the issuer's key is another by now": kind == "batch" and found.issuer_key != wanted.issuer_key,
            "the gateway's key is gone": bool(found.key_config)
            and found.key_config not in self._world.key_configs,
        }
        return next((why for why, true in reasons.items() if true), "")

    async def ensure(self, kind: Kind, count: int, progress: Progress) -> str:
        """See that `count` requests of `kind` are there; return a sentence where a file had to be made anew.

        Raises:
            OutOfTokens: the account has no tokens left; what could be made was made and is kept.
            WorkerDied, TacitaError: a process that makes requests has failed, for the reason it says.
        """
        file, why = self.file(kind), self.stale(kind)
        said = ""
        if why and file.path.exists():
            said = f"The prepared requests in {file.path} are of no use, since {why}; they are made anew."
        left = 0 if why else file.header().left
        if left >= count:
            return said
        wanted = purpose(kind, self._world, self._content, self._making.batch)
        if not why and file.header().purpose != wanted:
            # Good still, but what is added now would be sealed to another key.
            why = "the keys are about to change"
        if why:
            file.path.unlink(missing_ok=True)
            left = 0
        await self._make(kind, wanted, count - left, left, progress)
        return said

    async def _make(self, kind: Kind, wanted: Purpose, missing: int, left: int, progress: Progress) -> None:
        file, made = self.file(kind), left
        plan = self._world.make_plan(kind, missing, self._making.batch, self._content)
        failures: list[Failed] = []

        async def collect(child: Child, share: int) -> None:
            nonlocal made
            child.channel.send(_for(plan, share))
            while True:
                answer: Made | Failed = await child.channel.receive(Made | Failed)  # type: ignore[arg-type]
                if isinstance(answer, Failed):
                    failures.append(answer)
                    return
                if not answer.records:
                    return
                records = [Record.decode(one) for one in answer.records]
                if not file.path.exists():
                    file.create(wanted, len(answer.records[0]))
                file.append(records)
                made += len(records)
                progress(kind, made, left + missing)

        count = max(1, min(self._making.processes, missing // 50 or 1))
        shares = [missing // count + (number < missing % count) for number in range(count)]
        async with children("loadtest.prepared", count) as makers, asyncio.TaskGroup() as tasks:
            for child, share in zip(makers, shares, strict=True):
                tasks.create_task(collect(child, share))
        if failures:
            raise _failed(failures, made, left + missing)


def _for(plan: MakePlan, count: int) -> MakePlan:
    return msgspec.structs.replace(plan, count=count)


def _failed(failures: list[Failed], made: int, wanted: int) -> OutOfTokens | WorkerDied:
    worst = failures[0]
    if worst.kind == "QuotaUsedUp":
        return OutOfTokens(
            "The account has had its tokens for this period: "
            f"{made:,} of {wanted:,} requests could be prepared."
        )
    return WorkerDied(f"Requests could not be prepared: {worst.sentence}")
