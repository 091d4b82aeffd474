"""Types 0xE5AC and 0xDA7A from the issuer to the gateway, through relay and mirrors that know neither."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support import partially_blind
from support.issuers import WEEK, charged
from support.worlds import World, world_running

from issuer.config import ExpirationConfig
from tacita.bhttp import RequestHead
from tacita.client.errors import AnswerRefused, CredentialRefused, QuotaUsedUp, WalletEmpty
from tacita.client.issuance import fetch_credential, fetch_expiring, fetch_tokens
from tacita.client.payment import Payment, Purse, expiring_tokens, presentations
from tacita.client.record import Party, Recorder
from tacita.client.session import Session
from tacita.privacypass.errors import NoUsableKey
from tacita.privacypass.types import arc, partially_blind_rsa

LIMIT = 4
POLICY = ExpirationConfig().policy
EXPIRING = partially_blind_rsa.TOKEN_TYPE


@pytest_asyncio.fixture
async def crediting(tmp_path: Path) -> AsyncIterator[World]:
    async with world_running(tmp_path, types=("blind-rsa", "arc"), limit=LIMIT) as running:
        yield running


@pytest_asyncio.fixture
async def dating(tmp_path: Path) -> AsyncIterator[World]:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    # One key less to be made: its primes take seconds.
    path = keys / f"partially-blind-rsa.{WEEK}.{int(time.time()) // WEEK}.key"
    path.write_bytes(partially_blind.private_key().to_pem())
    path.chmod(0o600)
    async with world_running(tmp_path, types=("blind-rsa", "partially-blind-rsa")) as running:
        yield running


async def ask(session: Session) -> bytes:
    authority = session.target.partition("://")[2].encode()
    async with session.send(RequestHead(b"GET", b"http", authority, b"/", ())) as answer:
        return b"".join([piece async for piece in answer.pieces()])


class TestCredentials:
    async def test_one_pays_for_as_many_requests_as_its_limit(self, crediting: World) -> None:
        trust = await crediting.trust()
        recorder = Recorder()
        credential = await fetch_credential(
            crediting.endpoints.issuer, trust, crediting.credential, recorder=recorder
        )
        assert charged(crediting.folder) == [LIMIT]
        with crediting.wallet() as wallet:
            wallet.add_credential(credential)
            async with Session(crediting.endpoints, trust, wallet, purse=presentations(LIMIT)) as session:
                for _ in range(LIMIT):
                    assert await ask(session)
                with pytest.raises(WalletEmpty):
                    await ask(session)
        # Of what is shown the issuer has seen nothing.
        seen = bytes(recorder.views[Party.ISSUER].sent + recorder.views[Party.ISSUER].received)
        assert credential.credential.encode()[:32] not in seen

    async def test_a_nonce_that_is_shown_twice_is_refused(self, crediting: World) -> None:
        """R4: an old copy of a wallet buys nothing more, nor does a higher count."""
        trust = await crediting.trust()
        credential = await fetch_credential(crediting.endpoints.issuer, trust, crediting.credential)
        copies = [arc.Credential.decode(credential.encode()) for _ in range(2)]
        challenge = trust.credential_challenge()
        first, second = ([arc.present(copy, challenge, LIMIT) for _ in range(LIMIT)] for copy in copies)
        beyond = arc.present(copies[0], challenge, LIMIT + 1)
        shown = iter([*first, *second, beyond])
        with crediting.wallet() as wallet:
            purse: Purse = lambda _wallet, _trust: Payment(next(shown))  # noqa: E731
            async with Session(crediting.endpoints, trust, wallet, purse=purse) as session:
                for _ in first:
                    assert await ask(session)
                for _ in (*second, beyond):
                    with pytest.raises(AnswerRefused) as raised:
                        await ask(session)
                    assert raised.value.inner_status == 401

    async def test_it_costs_its_limit_or_is_not_given(self, crediting: World) -> None:
        trust = await crediting.trust()
        issuer = crediting.endpoints.issuer
        for count in (*[100] * 9, 97):
            await fetch_tokens(issuer, trust, crediting.credential, count)
        with pytest.raises(QuotaUsedUp):
            await fetch_credential(issuer, trust, crediting.credential)
        await fetch_tokens(issuer, trust, crediting.credential, 3)
        with pytest.raises(CredentialRefused):
            await fetch_credential(issuer, trust, "nobody")

    async def test_the_default_path_is_what_it_was(self, crediting: World) -> None:
        async with crediting.session(2) as session:
            assert await ask(session)
        assert await crediting.left() == 1


async def test_an_issuer_without_the_types(world: World) -> None:
    trust = await world.trust()
    with pytest.raises(NoUsableKey):
        await fetch_credential(world.endpoints.issuer, trust, world.credential)
    with pytest.raises(NoUsableKey):
        await fetch_expiring(world.endpoints.issuer, trust, world.credential, POLICY)


class TestExpiringTokens:
    async def test_they_are_fetched_and_redeemed_with_their_expiry(self, dating: World) -> None:
        trust = await dating.trust()
        issuer = dating.endpoints.issuer
        tokens = await fetch_expiring(issuer, trust, dating.credential, POLICY, 3)
        assert charged(dating.folder) == [3]
        assert len({one.extensions for one in tokens}) == 1
        key = partially_blind_rsa.load_public_key(trust.issuer.current_key(EXPIRING, time.time()).public_key)
        for one in tokens:
            partially_blind_rsa.verify(one.token, key, trust.challenge_for(EXPIRING).digest(), one.extensions)
        with dating.wallet() as wallet:
            wallet.add_expiring(tokens)
            async with Session(dating.endpoints, trust, wallet, purse=expiring_tokens()) as session:
                for _ in tokens:
                    assert await ask(session)
                with pytest.raises(WalletEmpty):
                    await ask(session)
            # Spent is spent, in another wallet, too.
            wallet.add_expiring(tokens[:1])
            async with Session(dating.endpoints, trust, wallet, purse=expiring_tokens()) as session:
                with pytest.raises(AnswerRefused):
                    await ask(session)
            wallet.add_expiring(tokens)
            later = time.time() + POLICY.lifetime
            async with Session(
                dating.endpoints, trust, wallet, purse=expiring_tokens(lambda: later)
            ) as session:
                with pytest.raises(WalletEmpty):
                    await ask(session)

    async def test_what_was_granted_before_the_quota_is_used_up_is_kept(self, dating: World) -> None:
        trust = await dating.trust()
        issuer = dating.endpoints.issuer
        for count in (*[100] * 9, 98):
            await fetch_tokens(issuer, trust, dating.credential, count)
        assert len(await fetch_expiring(issuer, trust, dating.credential, POLICY, 5)) == 2
        with pytest.raises(QuotaUsedUp):
            await fetch_expiring(issuer, trust, dating.credential, POLICY, 5)
