"""One examination: who is examined, what was learnt so far, and what it has cost in tokens.

Everything that is fetched or sent is fetched or sent once and remembered, so that several checks can
look at the same answer, and each check can be read by itself.
"""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tacita.client.doctor.subject import Subject
from tacita.client.doctor.verdicts import Missing, NotApplicable, Untried
from tacita.client.doctor.visitor import Answer, Visitor
from tacita.client.trust import read_challenge
from tacita.errors import DecodeError, TacitaError
from tacita.net.upstream import UpstreamError
from tacita.ohttp import KeyConfig, keyconfig
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory

__all__ = ["Case"]

_T = TypeVar("_T")


class Case:
    """The state of one examination.

    `credential` is the account that tokens are fetched with; without one none are. `clock` gives UNIX
    seconds. `fetched` and `spent` count tokens.
    """

    def __init__(
        self,
        subject: Subject,
        visitor: Visitor,
        credential: str | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.subject = subject
        self.visitor = visitor
        self.credential = credential
        self.clock = clock
        self.fetched = 0
        self.spent = 0
        self._known: dict[str, tuple[Any, TacitaError | None]] = {}

    async def once(self, name: str, make: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `make` returned, or raise what it raised, the first time it was asked for by `name`."""
        if name not in self._known:
            try:
                self._known[name] = await make(), None
            except TacitaError as error:
                self._known[name] = None, error
        value, raised = self._known[name]
        if raised is not None:
            raise raised
        return value  # type: ignore[no-any-return]

    async def get(self, url: str) -> Answer:
        """Return the answer to a GET of `url`. Raises as `Visitor.ask`."""
        return await self.once(f"GET {url}", lambda: self.visitor.ask("GET", url))

    async def document(self, name: str) -> Answer:
        """Return the first good copy of a document: its origin's, or else a mirror's.

        Raises:
            Missing: nobody has it.
            Untried: somebody who may have it cannot be reached.
        """
        away = False
        for url in self.subject.sources(name):
            try:
                answer = await self.get(url)
            except (UpstreamError, Untried):
                away = True
                continue
            if answer.status == 200:
                return answer
        if away:
            raise Untried(f"Whoever has the document {name} cannot be asked.")
        raise Missing(f"Nobody who is examined has the document {name}.")

    async def config(self) -> KeyConfig:
        """Return the key configuration that messages are sealed to.

        Raises:
            Untried: there is no list of them, or nothing in it that can be used.
        """
        answer = await self.document("gateway_keys")
        try:
            return keyconfig.select(keyconfig.decode_list(answer.body))
        except TacitaError:
            raise Untried("There is no key configuration that messages could be sealed to.") from None

    async def configs(self) -> tuple[KeyConfig, ...]:
        """Return all of the gateway's key configurations. Raises `Untried`, `DecodeError`."""
        return keyconfig.decode_list((await self.document("gateway_keys")).body)

    async def directory(self) -> IssuerDirectory:
        """Return the issuer's directory. Raises `Untried`, `DirectoryMalformed`."""
        return IssuerDirectory.from_json((await self.document("issuer_directory")).body)

    async def challenge(self) -> TokenChallenge:
        """Return the published challenge for tokens of type 0x0002.

        Raises:
            NotApplicable: none is published.
            Untried: none of what is published is one that tokens could be fetched for.
        """
        try:
            answer = await self.document("challenge")
        except Missing:
            raise NotApplicable("The gateway publishes no challenge.") from None
        issuer = ""
        try:
            uri = (await self.directory()).issuer_request_uri
            issuer = uri.partition("://")[2].partition("/")[0]
        except TacitaError:
            pass  # Only where there are several challenges does it matter whose is ours.
        try:
            return read_challenge(answer.body, issuer)
        except DecodeError:
            raise Untried("There is no challenge that tokens could be fetched for.") from None

    async def budget(self) -> dict[str, int]:
        """Return what one token buys as it is published; empty where it is not."""
        try:
            found = json.loads((await self.document("challenge")).body)["token"]
            return {name: value for name, value in found.items() if type(value) is int}
        except (Untried, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    async def target(self) -> str:
        """Return the origin that requests inside are for.

        Raises:
            NotApplicable: nobody says which.
        """
        if self.subject.target is not None:
            return self.subject.target
        try:
            (authority,) = (await self.challenge()).origin_info
        except (TacitaError, ValueError):
            raise NotApplicable("It is not known which target the gateway is for; name it.") from None
        return f"https://{authority}"

    def messages(self) -> str:
        """Return where messages for the gateway are posted. Raises `NotApplicable`."""
        if self.subject.messages is None:
            raise NotApplicable("Neither a gateway nor a relay is examined.")
        return self.subject.messages
