"""Post-quantum and classical keys side by side (R9): an exchange under each, through relay and gateway."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.asking import Client, request, request_head
from support.targets import Target

from tacita.crypto.hpke import Kem
from tacita.net import documents
from tacita.ohttp import keyconfig, media, padding
from tacita.ohttp.keyconfig import KeyConfig

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stub")]


async def configs(client: Client) -> tuple[KeyConfig, ...]:
    """Return what the mirror shows to everybody."""
    document = await documents.fetch(client.endpoints.relay.gateway_keys, media.KEYS)
    return keyconfig.decode_list(document.body)


async def test_an_exchange_under_both(sqlite_state: Path, target: Target) -> None:
    client = await Client.of(sqlite_state)
    published = await configs(client)
    assert [config.kem for config in published] == 2 * [Kem.XWING, Kem.X25519]
    assert client.trust.key_config == published[0], "post-quantum without being asked"
    for config in published:
        one = replace(client, trust=replace(client.trust, key_config=config))
        for ask in (one.one_shot, one.chunked):
            answer = await ask(request(client.endpoints.target.url, await client.token()))
            assert (answer.head.status, answer.content) == (200, b"an answer")


async def test_the_real_client_takes_the_first(sqlite_state: Path, target: Target, tmp_path: Path) -> None:
    client = await Client.of(sqlite_state)
    async with (
        client.session(tmp_path / "wallet", [await client.token()]) as session,
        session.send(request_head(client.endpoints.target.url)) as answer,
    ):
        assert answer.status == 200
        assert b"".join([piece async for piece in answer.pieces()]) == b"an answer"


def test_what_xwing_adds_is_the_same_for_every_message() -> None:
    """Lengths are padded inside the encapsulation, so that the KEM tells no more than its header does."""
    assert Kem.XWING.n_enc - Kem.X25519.n_enc == 1_088
    assert padding.padded_length(1) == padding.padded_length(1_000)
