"""Type 0xE5AC over real HTTP, from an issuer that has its keys in files and turns them over."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support.clocks import Clock
from support.issuers import add_account, ask_batch, charged, config_text

from issuer.app import build
from issuer.attesters import Account
from issuer.config import IssuerConfig
from issuer.directory import WELL_KNOWN, directory_of
from issuer.errors import OverQuota
from issuer.issuance import Issuance
from issuer.key_folder import KeyFolder
from issuer.key_types import ARC, KEY_TYPES, types_named
from issuer.keys import IssuerKeys, fixed
from issuer.quota.sqlite import SqliteQuota
from issuer.token_requests import PATH
from tacita.crypto.keyring import Schedule
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.errors import ConfigError
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.issuing import IssuingKey, IssuingKeys
from tacita.privacypass.types import arc, blind_rsa
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.service.config import load
from tacita.service.listening import serving
from tacita.service.run import public

LIMIT = 10
CHALLENGE = CredentialChallenge(TokenChallenge(arc.TOKEN_TYPE, "issuer.example", b"", ("gateway.example",)))
WEEK = 7 * 86_400


@dataclass
class Running:
    session: aiohttp.ClientSession
    folder: Path
    alice: dict[str, str]
    metrics: str = ""

    async def directory(self) -> IssuerDirectory:
        async with self.session.get(WELL_KNOWN) as response:
            return IssuerDirectory.from_json(await response.read())

    async def ask(self, body: bytes, media_type: str = arc.REQUEST_MEDIA_TYPE) -> tuple[int, str, bytes]:
        headers = self.alice | {"Content-Type": media_type}
        async with self.session.post(PATH, data=body, headers=headers) as response:
            return response.status, response.content_type, await response.read()


@asynccontextmanager
async def running(
    folder: Path, *, types: str = '"blind-rsa", "arc"', quota: int = 25
) -> AsyncIterator[Running]:
    text = config_text(quota=quota, more=f"presentation_limit = {LIMIT}")
    path = folder / "issuer.toml"
    path.write_text(text.replace("create_key", f"types = [{types}], create_key"))
    alice = add_account(folder, "alice")
    service = await build(load(path, IssuerConfig))
    async with (
        serving(public(service)) as shell,
        aiohttp.ClientSession(f"http://127.0.0.1:{shell.port}") as session,
    ):
        one = Running(session, folder, alice)
        yield one
        one.metrics = service.metrics.render().decode()


async def test_one_credential_costs_what_it_is_good_for(tmp_path: Path) -> None:
    async with running(tmp_path) as issuer:
        directory = await issuer.directory()
        assert {key.token_type for key in directory.token_keys} == {blind_rsa.TOKEN_TYPE, arc.TOKEN_TYPE}
        # Of each type one that issues and one that is published ahead, the newest first.
        mine = [key for key in directory.token_keys if key.token_type == arc.TOKEN_TYPE]
        assert [key.not_before for key in mine] == sorted((key.not_before or 0 for key in mine), reverse=True)
        key = arc.load_public_key(directory.current_key(arc.TOKEN_TYPE, mine[1].not_before or 0).public_key)
        request, pending = arc.request(CHALLENGE.encode(), key)
        status, media_type, answer = await issuer.ask(request.encode())
        assert (status, media_type, len(answer)) == (200, arc.RESPONSE_MEDIA_TYPE, 454)
        assert charged(tmp_path) == [LIMIT]
        credential = arc.finalize(pending, arc.TokenResponse.decode(answer))
        # The same body again is answered again, and costs nothing more.
        assert (await issuer.ask(request.encode()))[0] == 200
        assert charged(tmp_path) == [LIMIT]
        # A second one is a second one; for a third there is not enough left: all or nothing.
        second, _ = arc.request(CHALLENGE.encode(), key)
        assert (await issuer.ask(second.encode()))[0] == 200
        third, _ = arc.request(CHALLENGE.encode(), key)
        assert (await issuer.ask(third.encode()))[0] == 429
        assert charged(tmp_path) == [2 * LIMIT]
        private = private_key(tmp_path, key)
    for _ in range(LIMIT):
        arc.verify(arc.present(credential, CHALLENGE, LIMIT), private, CHALLENGE, LIMIT)
    assert re.search(rf"tokens_issued_total {2 * LIMIT}\.0", issuer.metrics)


def private_key(folder: Path, public: arc.PublicKey) -> arc.PrivateKey:
    keys = [arc.PrivateKey.from_bytes(path.read_bytes()) for path in (folder / "keys").glob("arc.*.key")]
    return next(one for one in keys if one.public_key == public)


async def test_refusals_cost_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as issuer:
        issuing, ahead = sorted(
            (key for key in (await issuer.directory()).token_keys if key.token_type == arc.TOKEN_TYPE),
            key=lambda key: key.not_before or 0,
        )
        good = arc.request(CHALLENGE.encode(), arc.load_public_key(issuing.public_key))[0].encode()
        early = arc.request(CHALLENGE.encode(), arc.load_public_key(ahead.public_key))[0].encode()
        foreign = arc.request(CHALLENGE.encode(), arc.PrivateKey.generate().public_key)[0].encode()
        for body in (b"", good[:-1], good + b"x", good[:-1] + bytes((good[-1] ^ 1,)), early, foreign[:1]):
            assert (await issuer.ask(body))[0] == 422
        assert (await issuer.ask(good, "application/private-token-request"))[0] == 422
        assert (await issuer.ask(good, "application/octet-stream"))[0] == 415
        assert charged(tmp_path) == []


async def test_an_issuer_without_the_type_gives_none(tmp_path: Path) -> None:
    body = arc.request(CHALLENGE.encode(), arc.PrivateKey.generate().public_key)[0].encode()
    async with running(tmp_path, types='"blind-rsa"') as issuer:
        assert (await issuer.ask(body))[0] == 415
        assert {key.token_type for key in (await issuer.directory()).token_keys} == {blind_rsa.TOKEN_TYPE}
        assert charged(tmp_path) == []


async def test_tokens_are_had_beside_it(tmp_path: Path) -> None:
    async with running(tmp_path) as issuer:
        directory = await issuer.directory()
        own = [key for key in directory.token_keys if key.token_type == blind_rsa.TOKEN_TYPE]
        asked = ask_batch(3, RsaPublicKey(own[1].public_key))
        status, _, answer = await issuer.ask(asked.body, asked.media_type)
        assert status == 200
        assert len(asked.tokens(answer)) == 3


def test_no_tier_may_have_too_few(tmp_path: Path) -> None:
    path = tmp_path / "issuer.toml"
    text = config_text(quota=LIMIT - 1, more=f"presentation_limit = {LIMIT}")
    path.write_text(text.replace("create_key", 'types = ["arc"], create_key'))
    with pytest.raises(ConfigError, match="presentation_limit"):
        load(path, IssuerConfig)


def test_its_keys_are_files_like_others(tmp_path: Path) -> None:
    """Published ahead, issuing, redeemable, destroyed; all of it by the one rule for all types."""
    clock = Clock(100 * WEEK)
    keys = IssuerKeys(
        KeyFolder(tmp_path / "keys"), types_named([ARC]), Schedule(WEEK), prepare=False, clock=clock
    )
    seen: list[bytes] = []
    for epoch in range(100, 104):
        clock.now = epoch * WEEK
        keys.turn()
        live = keys.present().issuing
        assert [key.token_type for key in live] == [arc.TOKEN_TYPE] * (3 if epoch > 100 else 2)
        assert [key.not_before // WEEK for key in live] == [epoch + 1, epoch, epoch - 1][: len(live)]
        assert [key.may_issue for key in live] == [False, True, False][: len(live)]
        seen.append(next(key.key_id for key in live if key.may_issue))
        listed = directory_of(live, "https://issuer.example").token_keys
        assert [len(key.public_key) for key in listed] == [99] * len(live)
    assert len(set(seen)) == 4
    names = sorted(path.name for path in (tmp_path / "keys").glob("*.key"))
    assert names == [f"arc.{WEEK}.{epoch}.key" for epoch in (102, 103, 104)]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "keys").iterdir())


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    keys = IssuerKeys(KeyFolder(tmp_path), types_named([ARC]), Schedule(WEEK), prepare=False)
    keys.turn()
    path = next(tmp_path.glob("*.key"))
    path.write_bytes(bytes(128))
    with pytest.raises(ConfigError, match="is not a key of its type"):
        IssuerKeys(KeyFolder(tmp_path), types_named([ARC]), Schedule(WEEK), prepare=False).turn()
    kind = KEY_TYPES[ARC]
    assert (kind.name, kind.token_type, len(kind.generate())) == ("arc", 0xE5AC, 128)


async def test_a_large_limit_is_still_one_signature(tmp_path: Path) -> None:
    """What waits to be signed is counted in signatures, what is charged in presentations."""
    key = arc.PrivateKey.generate()
    keys = fixed(IssuingKeys([IssuingKey(key, 0, may_issue=True)]))
    quota = SqliteQuota(tmp_path / "quota.sqlite", bytes(32), 86_400)
    issuance = Issuance(keys, quota, max_batch=1, threads=1, max_waiting=1, presentation_limit=50_000)
    async with quota, issuance:
        alice = Account("alice", 99_999)
        body = arc.request(CHALLENGE.encode(), key.public_key)[0].encode()
        grant = await issuance.issue(alice, arc.REQUEST_MEDIA_TYPE, body)
        assert (grant.tokens, grant.fresh) == (50_000, True)
        again = arc.request(CHALLENGE.encode(), key.public_key)[0].encode()
        with pytest.raises(OverQuota) as raised:
            await issuance.issue(alice, arc.REQUEST_MEDIA_TYPE, again)
        assert raised.value.left == 49_999
    assert charged(tmp_path) == [50_000]
