"""The records of one run: made where there are too few, taken before the first is sent, accounted for."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import allotment
from loadtest.analysis.collector import Collector
from loadtest.analysis.ledger import Tokens, tokens
from loadtest.errors import OutOfTokens, PreparedUnusable
from loadtest.prepared.file import PreparedFile, Span
from loadtest.prepared.making import Shelf
from loadtest.scenarios import SCENARIOS, Kind
from loadtest.settings import Settings
from loadtest.view.base import View
from loadtest.workers.messages import Lane, Plan
from loadtest.world import World
from tacita.ohttp import media
from tacita.privacypass import batch
from tacita.privacypass.types import blind_rsa

__all__ = ["Stock", "folder_for"]

_MEDIA = {
    "batch": batch.REQUEST_MEDIA_TYPE,
    "bare": media.REQUEST,
    "oneshot": media.REQUEST,
    "chunked": media.CHUNKED_REQUEST,
}


@dataclass(frozen=True, slots=True)
class _Hand:
    """What one load process has of one scenario."""

    process: int
    scenario: str
    file: PreparedFile
    spans: tuple[Span, ...]


class Stock:
    """What was taken for a run, by process and scenario."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._hands: list[_Hand] = []

    @staticmethod
    async def prepare(settings: Settings, shelf: Shelf, view: View) -> str:
        """See that there is enough on `shelf`; return a sentence if there is less, since no more can be had.

        Raises:
            OutOfTokens: there is nothing at all.
            TacitaError: as `Shelf.ensure`.
        """
        short = ""
        needs: dict[Kind, int] = {}
        for name in settings.shares:
            kind = SCENARIOS[name].kind
            needs[kind] = needs.get(kind, 0) + settings.needed_of(name)
        for kind, count in needs.items():
            try:
                if said := await shelf.ensure(kind, count, view.preparing):
                    view.note(said)
            except OutOfTokens as error:
                if shelf.stale(kind) or not shelf.file(kind).header().left:
                    raise
                short = str(error)
                view.note(short)
        return short

    def take(self, shelf: Shelf) -> None:
        """Take what the run may need. Durable on return: no other run sends any of it."""
        count = self._settings.processes
        for name in self._settings.shares:
            file = shelf.file(SCENARIOS[name].kind)
            spans = file.take(self._settings.needed_of(name))
            cut = allotment.parts(spans, allotment.even(allotment.size(spans), count))
            self._hands += [_Hand(process, name, file, mine) for process, mine in enumerate(cut)]

    def plans(self, credential: str) -> list[Plan]:
        """Return what each load process is told."""
        settings = self._settings
        concurrency = allotment.even(settings.concurrency, settings.processes)
        return [
            Plan(
                lanes=tuple(self._lane(hand, credential) for hand in self._hands if hand.process == number),
                steps=settings.steps,
                arrivals=settings.arrivals,
                concurrency=concurrency[number],
                seconds=settings.seconds,
                connections=settings.connections
                if settings.steps
                else max(settings.connections, concurrency[number]),
                timeout=settings.timeout,
                seed=settings.seed * 1_000 + number,
                share=1 / settings.processes,
                offset=number / settings.processes,
            )
            for number in range(settings.processes)
        ]

    def _lane(self, hand: _Hand, credential: str) -> Lane:
        scenario = SCENARIOS[hand.scenario]
        address = self._world.addresses[scenario.party]
        fields = [f"Host: {address.authority}", f"Content-Type: {_MEDIA[scenario.kind]}"]
        if scenario.kind == "chunked":
            fields.append("Incremental: ?1")
        key, digest = b"", b""
        if scenario.kind == "batch":
            fields += [f"Accept: {batch.RESPONSE_MEDIA_TYPE}", f"Authorization: Bearer {credential}"]
            key = self._world.trust.issuer.current_key(blind_rsa.TOKEN_TYPE, time.time()).public_key
            digest = self._world.challenge.digest()
        head = "\r\n".join([f"POST {address.path} HTTP/1.1", *fields, "Content-Length: "])
        return Lane(
            scenario=hand.scenario,
            ip=address.ip,
            port=address.port,
            host=address.host,
            tls=address.tls,
            head=head.encode(),
            file=str(hand.file.path),
            spans=hand.spans,
            share=self._settings.shares[hand.scenario],
            batch=self._settings.batch,
            issuer_key=key,
            challenge=digest,
        )

    def close(self, collector: Collector | None) -> Tokens:
        """Give back what was not used, and return the account of the run's tokens.

        What a process had that died is not given back: nobody knows how far it came. Without a
        collector nothing was begun.
        """
        taken = returned = 0
        for hand in self._hands:
            costs = SCENARIOS[hand.scenario].costs_token
            taken += allotment.size(hand.spans) if costs else 0
            if collector is not None and hand.process in collector.died:
                continue
            used = collector.used[hand.process].get(hand.scenario, 0) if collector is not None else 0
            left = allotment.rest(hand.spans, used)
            try:
                hand.file.give_back(left)
            except PreparedUnusable:
                continue
            returned += allotment.size(left) if costs else 0
        outcomes: Sequence[tuple[str, int]] = []
        if collector is not None:
            outcomes = [
                pair
                for name, totals in collector.scenarios.items()
                if SCENARIOS[name].costs_token
                for pair in totals.outcomes.items()
            ]
        return tokens(taken, returned, outcomes)


def folder_for(settings: Settings, world: World, cache: Path) -> Path:
    """Return where the files of this deployment are kept: a folder of its own for each target and relay."""
    if settings.prepared is not None:
        return settings.prepared
    name = f"{world.endpoints.relay.messages} {world.endpoints.target.url}"
    return cache / hashlib.sha256(name.encode()).hexdigest()[:16]
