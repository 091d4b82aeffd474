"""Load on a gateway while something fails, and the account of every token that it has to give afterwards.

    load = Load(gateway, tokens(300))
    ledger = await load.run("Redis is killed", fault, settled)

Every token is shown twice at about the same time; when a third of all was answered, `fault(load)` is
called, which breaks something, inside `load.strike()`, and mends it. When `settled()` has returned, each
token that was not taken is shown again: it is good, or burnt. In the end all are shown once more, and
none may be.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from support import raw_http, rsa
from support.gateways import Gateway, get, message
from support.issuers import CHALLENGE

from tacita import bhttp
from tacita.bhttp import Field
from tacita.crypto.signer import best_signer
from tacita.ohttp import oneshot
from tacita.privacypass import auth
from tacita.privacypass.types import blind_rsa

__all__ = ["Ledger", "Load", "tokens"]

_CONNECTIONS = 16
_BETWEEN_CONNECTIONS = 0.05
_SWEEPS = 50
_BETWEEN_SWEEPS = 0.2


def tokens(count: int) -> list[Field]:
    """Return `count` fields, each of which pays for a request."""
    key = rsa.private_key(0)
    made = [blind_rsa.request(CHALLENGE.encode(), key.public_key) for _ in range(count)]
    issued = blind_rsa.issue([request for request, _ in made], best_signer(key))
    return [
        (b"authorization", auth.format_authorization(blind_rsa.finalize(pending, answer)))
        for (_, pending), answer in zip(made, issued, strict=True)
    ]


@dataclass
class Ledger:
    """What became of all requests, by number, and of all tokens.

    `struck` tokens had a request in flight when it happened; `burnt` ones were never taken, and are spent;
    `twice` is how many were taken more than once, by what clients were answered or targets were asked.
    """

    fault: str
    tokens: int
    sent: int = 0
    answered: int = 0
    refused_inside: Counter[int] = field(default_factory=Counter)
    refused_outside: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    struck: int = 0
    burnt: int = 0
    burnt_unstruck: int = 0
    twice: int = 0

    def __str__(self) -> str:
        inside = ", ".join(f"{status}: {count}" for status, count in sorted(self.refused_inside.items()))
        outside = ", ".join(f"{status}: {count}" for status, count in sorted(self.refused_outside.items()))
        return (
            f"{self.fault}: {self.tokens} tokens, {self.sent} requests sent, {self.answered} answered, "
            f"refused inside ({inside or 'none'}), outside ({outside or 'none'}), {self.broken} connections "
            f"broken; {self.struck} tokens in flight at the fault, {self.burnt} burnt, "
            f"{self.burnt_unstruck} of them not in flight; {self.twice} accepted twice"
        )

    def table(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            **vars(self),
            "refused_inside": dict(self.refused_inside),
            "refused_outside": dict(self.refused_outside),
        }


class Load:
    """Shows the fields `paid` to `gateway`, whose target says what it was asked by `asked`."""

    def __init__(self, gateway: Gateway, paid: list[Field], asked: Callable[[], Iterable[int]]) -> None:
        self.taken: Counter[int] = Counter()
        """How often each token, by its number, was answered as the target answers."""
        self._gateway = gateway
        self._paid = paid
        self._asked = asked
        self._ledger = Ledger("", len(paid))
        self._flying: Counter[int] = Counter()
        self._struck: set[int] = set()
        self._striking = False
        self._done = 0
        self._over = False
        self._progress = asyncio.Event()

    async def run(
        self,
        name: str,
        fault: Callable[["Load"], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
    ) -> Ledger:
        """Return the account of it."""
        self._ledger.fault = name
        shows = [number for number in range(len(self._paid)) for _ in range(2)]
        failing = asyncio.create_task(self._fail(fault))
        try:
            await self._show_all(shows)
        finally:
            self._over = True
            self._progress.set()
            await failing
        await settled()
        burnt = await self._sweep()
        before = self.taken.total()
        await self._show_all(range(len(self._paid)))
        assert self.taken.total() == before or self._twice(), "what was taken again is counted"
        ledger = self._ledger
        ledger.answered = self.taken.total()
        ledger.struck, ledger.burnt = len(self._struck), len(burnt)
        ledger.burnt_unstruck = len(burnt - self._struck)
        ledger.twice = self._twice()
        return ledger

    def _twice(self) -> int:
        asked = Counter(self._asked())
        return sum(1 for number in range(len(self._paid)) if max(self.taken[number], asked[number]) > 1)

    async def until(self, share: float) -> None:
        """Return when this share of the requests of the load proper is over."""
        while self.share < share and not self._over:
            self._progress.clear()
            await self._progress.wait()

    @property
    def share(self) -> float:
        """The share of the requests of the load proper that is over."""
        return self._done / (2 * len(self._paid))

    def refused(self, status: int) -> int:
        """Return how often `status` was said inside so far."""
        return self._ledger.refused_inside[status]

    @contextmanager
    def strike(self) -> Iterator[None]:
        """The fault begins with this context; what is in flight then, or sent during it, is struck."""
        self._struck |= {number for number, count in self._flying.items() if count}
        self._striking = True
        try:
            yield
        finally:
            self._striking = False

    async def _fail(self, fault: Callable[["Load"], Awaitable[None]]) -> None:
        await self.until(1 / 3)
        await fault(self)

    async def _show_all(self, numbers: Iterable[int]) -> None:
        rest = iter(numbers)
        await asyncio.gather(*(self._client(rest) for _ in range(_CONNECTIONS)))

    async def _client(self, numbers: Iterator[int]) -> None:
        """Show one token after the other, over a connection that is kept for as long as it lasts."""
        number = next(numbers, None)
        while number is not None:
            try:
                async with raw_http.connection(self._gateway.port) as (reader, writer):
                    while number is not None:
                        await self._show(number, reader, writer)
                        self._step()
                        number = next(numbers, None)
            except (ConnectionError, asyncio.IncompleteReadError):
                self._ledger.broken += 1
                self._step()
                # Whoever finds nobody there does not ask again at once.
                await asyncio.sleep(_BETWEEN_CONNECTIONS)
                number = next(numbers, None)

    def _step(self) -> None:
        self._done += 1
        self._progress.set()

    async def _show(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int | None:
        plain = bhttp.encode_request(get(self._paid[number], path=b"/%d" % number))
        sealed, context = oneshot.encapsulate_request(self._gateway.configs[0], plain)
        self._ledger.sent += 1
        self._flying[number] += 1
        if self._striking:
            self._struck.add(number)
        try:
            writer.write(message(sealed))
            head = await raw_http.read_head(reader)
            body = await raw_http.read_body(reader, head)
        finally:
            self._flying[number] -= 1
        status = int(head.split(b" ")[1])
        if status != 200:
            self._ledger.refused_outside[status] += 1
            return None
        status = bhttp.decode_response(context.decapsulate_response(body)).head.status
        if status == 200:
            self.taken[number] += 1
        else:
            self._ledger.refused_inside[status] += 1
        return status

    async def _sweep(self) -> set[int]:
        """Show every token that was not taken until it is known to be good or spent; return the spent."""
        burnt: set[int] = set()
        for _ in range(_SWEEPS):
            left = [number for number in range(len(self._paid)) if not self.taken[number]]
            if not (left := [number for number in left if number not in burnt]):
                return burnt
            for number in left:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    async with raw_http.connection(self._gateway.port) as (reader, writer):
                        if await self._show(number, reader, writer) == 401:
                            burnt.add(number)
            if burnt.union(self.taken).issuperset(left):
                continue
            await asyncio.sleep(_BETWEEN_SWEEPS)
        raise AssertionError("some tokens stay neither good nor spent")
