"""`python -m loadtest.prepared`: one process that makes requests ahead, told all over standard input."""

import os
import time
from pathlib import Path

import uvloop

from loadtest.prepared.content import Content
from loadtest.prepared.records import Record, batch, sealed
from loadtest.scenarios import Kind
from loadtest.workers.channel import Channel, child_channel
from loadtest.workers.messages import Failed, Made, MakePlan
from tacita.client.endpoints import IssuerEndpoints
from tacita.client.issuance import fetch_tokens, read_credential
from tacita.client.trust import Trust
from tacita.errors import TacitaError
from tacita.ohttp import KeyConfig
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory

_AT_A_TIME = 100


async def _run() -> None:
    channel = await child_channel()
    plan = await channel.receive(MakePlan)
    try:
        await _make(plan, channel)
    except TacitaError as error:
        channel.send(Failed(type(error).__name__, str(error)))
    else:
        channel.send(Made(()))


async def _make(plan: MakePlan, channel: Channel) -> None:
    trust = Trust(
        KeyConfig.decode(plan.key_config),
        TokenChallenge.decode(plan.challenge),
        IssuerDirectory.from_json(plan.directory),
    )
    content = Content(plan.target, plan.model, plan.size, plan.max_tokens)
    kind: Kind = plan.kind  # type: ignore[assignment]
    made = 0
    while made < plan.count:
        wanted = min(_AT_A_TIME, plan.count - made)
        records = await _some(plan, trust, content, kind, wanted)
        made += len(records)
        channel.send(Made(tuple(record.encode() for record in records)))


async def _some(plan: MakePlan, trust: Trust, content: Content, kind: Kind, count: int) -> list[Record]:
    if kind == "batch":
        key = trust.issuing_key(time.time())
        return [batch(trust.challenge, key, plan.batch) for _ in range(min(count, 20))]
    if kind == "bare":
        return [sealed(trust.key_config, content, kind, None) for _ in range(count)]
    issuer = IssuerEndpoints(token_request=plan.token_request, credential=Path(plan.credential))
    tokens = await fetch_tokens(issuer, trust, read_credential(issuer.credential), count)
    return [sealed(trust.key_config, content, kind, token) for token in tokens]


if __name__ == "__main__":
    uvloop.run(_run())
    os._exit(0)
