"""What a run has to know of the deployment that it loads: addresses, keys, clocks; all looked at before.

The preflight sends one sealed request without a token through the path that the load will take, with
a Date inside: the gateway's refusal to answer it for nothing (401) proves that it is there, opens
what is sealed to its published key, and has the time. It costs no token.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

from loadtest.addresses import Address, permitted
from loadtest.client.answers import OneShotAnswer
from loadtest.client.outcomes import ANSWERED
from loadtest.errors import ClocksApart, TargetDown, TargetRefuses
from loadtest.prepared.content import Content
from loadtest.prepared.records import sealed
from loadtest.scenarios import SCENARIOS, Kind
from loadtest.workers.messages import MakePlan
from tacita.client.endpoints import Endpoints
from tacita.client.errors import speaking_of
from tacita.client.trust import Trust
from tacita.errors import ConfigError
from tacita.net import documents, tls
from tacita.net.upstream import Upstream, UpstreamError
from tacita.net.urls import split
from tacita.ohttp import KeyConfig, keyconfig, media
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.types import blind_rsa

__all__ = ["World"]

_CLOCK_SECONDS = 240
"""Less than the 300 s that gateways grant, so that the tool says it before they do."""


@dataclass(frozen=True, slots=True)
class World:
    """The deployment: its endpoints, what its mirrors show, and where each party is."""

    endpoints: Endpoints
    trust: Trust
    key_configs: frozenset[str]
    """Every configuration that the gateway publishes now, in hexadecimal."""
    addresses: dict[str, Address]

    @property
    def key_config(self) -> KeyConfig:
        """The one to seal to."""
        return self.trust.key_config

    @property
    def challenge(self) -> TokenChallenge:
        """The one that tokens are for."""
        return self.trust.challenge

    @property
    def issuing_key(self) -> str:
        """The id of the key that tokens are issued under, in hexadecimal."""
        return self.trust.issuing_key(time.time()).key_id.hex()

    @property
    def issuer_keys(self) -> frozenset[str]:
        """The ids of all published keys."""
        return frozenset(one.hex() for one in self.trust.token_key_ids())

    def make_plan(self, kind: Kind, count: int, batch: int, content: Content) -> MakePlan:
        """Return what a process that makes requests has to know."""
        return MakePlan(
            kind=kind,
            count=count,
            batch=batch,
            key_config=self.key_config.encode(),
            challenge=self.challenge.encode(),
            directory=self.trust.issuer.to_json(),
            token_request=self.endpoints.issuer.token_request,
            credential=str(self.endpoints.issuer.credential),
            target=content.target,
            model=content.model,
            size=content.size,
            max_tokens=content.max_tokens,
        )

    @classmethod
    async def look(cls, path: Path, scenarios: Collection[str], operated: Collection[str]) -> "World":
        """Read the endpoints at `path`, and look whether `scenarios` can be run against them.

        Raises:
            AddressRefused: a party that would get load is not this machine, nor in `operated`.
            TargetDown, TargetRefuses, ClocksApart: it would be in vain, and why.
            ConfigError: `path` does not describe a deployment.
            TacitaError: what the mirrors show cannot be used.
        """
        endpoints = Endpoints.load(path)
        addresses = {party: permitted(_url(endpoints, party), operated) for party in _parties(scenarios)}
        try:
            trust = await Trust.fetch(endpoints)
            listed = await documents.fetch(endpoints.relay.gateway_keys, media.KEYS)
        except UpstreamError as error:
            raise TargetDown(str(error)) from None
        configs = frozenset(one.encode().hex() for one in keyconfig.decode_list(listed.body))
        world = cls(endpoints, trust, configs, addresses)
        await world._check_clock("the relay", endpoints.relay.challenge)
        if "issuer" in addresses:
            await world._check_clock("the issuer", endpoints.issuer.token_request)
            world._check_issuer()
        for party in ("relay", "gateway"):
            if party in addresses:
                await world._probe(party)
        return world

    def _check_issuer(self) -> None:
        key = self.trust.issuer.current_key(blind_rsa.TOKEN_TYPE, time.time())
        blind_rsa.load_public_key(key.public_key)

    async def _check_clock(self, who: str, url: str) -> None:
        """Compare our clock with the Date of an answer: GET, whatever the answer is."""
        origin, path = split(url)
        context = tls.client_context() if origin.startswith("https:") else None
        try:
            with speaking_of(who):
                async with (
                    Upstream(origin, tls=context, connections=1, read_seconds=10) as upstream,
                    upstream.request("GET", path, []) as response,
                ):
                    shown = response.value("Date")
        except UpstreamError as error:
            raise TargetDown(str(error)) from None
        try:
            apart = time.time() - parsedate_to_datetime(shown).timestamp()
        except ValueError:
            return
        if abs(apart) > _CLOCK_SECONDS:
            raise _apart(who, apart)

    async def _probe(self, party: str) -> None:
        """Send one request without a token, and see that it is refused for that alone."""
        content = Content(self.endpoints.target.url, self.endpoints.target.model, 1, 1)
        now = format_datetime(datetime.now(UTC), usegmt=True).encode()
        record = sealed(self.key_config, content, "bare", None, extra=((b"date", now),))
        origin, path = split(_url(self.endpoints, party))
        context = tls.client_context() if origin.startswith("https:") else None
        answer, headers = OneShotAnswer(record, 401), [(b"content-type", media.REQUEST.encode())]
        try:
            with speaking_of(f"the {party}"):
                async with (
                    Upstream(origin, tls=context, connections=1, read_seconds=30) as upstream,
                    upstream.request("POST", path, headers, record.body) as response,
                ):
                    status = response.status
                    async for piece in response.pieces():
                        answer.piece(piece, 0)
        except UpstreamError as error:
            raise TargetDown(str(error)) from None
        _require_good(party, answer.end(status))


def _require_good(party: str, outcome: str) -> None:
    name, _, reason = outcome.partition(":")
    if outcome == ANSWERED or reason.startswith("2"):
        return
    if name == "inside" and "date" in reason:
        raise ClocksApart(
            "The gateway says that its clock and this machine's are more than five minutes apart; "
            "set them right."
        )
    if name == "inside" and reason == "403":
        raise TargetRefuses(
            "The gateway does not forward to the target of the endpoints; correct one of them."
        )
    if name == "inside" and reason in ("502", "503", "504"):
        raise TargetDown(
            f"The gateway answers {reason} inside: it cannot do its work at present; look at its log."
        )
    if name == "outside" and reason in ("502", "503", "504"):
        raise TargetDown(f"The {party} answers {reason}: it cannot reach the gateway, or that is not ready.")
    if name == "outside" and reason.startswith("3"):
        raise TargetRefuses(
            f"The {party} answers {reason}, a redirect, which is not followed; correct the endpoints."
        )
    if name == "outside":
        raise TargetRefuses(f"The {party} answers {reason} to a sealed request; check the endpoints.")
    if name == "inside" and not reason.startswith("5"):
        # The target's own answer to a request without content to its taste, where it costs no token.
        return
    raise TargetRefuses(
        f"The {party} does not answer a sealed request as a gateway does; check the endpoints."
    )


def _apart(who: str, seconds: float) -> ClocksApart:
    minutes = abs(seconds) / 60
    return ClocksApart(
        f"The clocks of {who} and of this machine are {minutes:.0f} minutes apart; set them right, "
        "since tokens and keys have their times."
    )


def _url(endpoints: Endpoints, party: str) -> str:
    if party == "issuer":
        return endpoints.issuer.token_request
    if party == "relay":
        return endpoints.relay.messages
    if endpoints.gateway is None:
        raise ConfigError("The endpoints do not say where the gateway is; the scenario gateway needs it.")
    return endpoints.gateway.messages


def _parties(scenarios: Iterable[str]) -> set[str]:
    chosen = [SCENARIOS[name] for name in scenarios]
    # Tokens are got from the issuer, batch after batch: that is load on it, too.
    return {one.party for one in chosen} | ({"issuer"} if any(one.costs_token for one in chosen) else set())
