"""Invitation codes: what they buy, in how many requests, processes and periods it may be."""

import asyncio
import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from contracts.attester import AttesterContract
from multidict import CIMultiDict
from support.clocks import Clock
from support.issuers import config_text

from issuer.attesters import Account, Attester, Evidence
from issuer.attesters.invitation import InvitationAttester
from issuer.errors import AttestationRefused, CredentialRefused, OverQuota, QuotaUsedUp
from issuer.invitations import Invitations
from issuer.quota.sqlite import SqliteQuota

DAY = 86_400
ROOT = Path(__file__).resolve().parents[3]


def bearer(code: str) -> Evidence:
    return Evidence(CIMultiDict({"Authorization": f"Bearer {code}"}))


def create(folder: Path, count: int = 1, tokens: int = 20, now: float | None = None) -> list[str]:
    invitations = Invitations(folder / "invitations.sqlite")
    try:
        return invitations.create(count, tokens, 3, now=time.time() if now is None else now)
    finally:
        invitations.close()


class TestContract(AttesterContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path) -> None:
        self.clock = Clock(time.time())
        self.folder = tmp_path
        (self.code,) = create(tmp_path)

    def make(self) -> Attester:
        return InvitationAttester(Invitations(self.folder / "invitations.sqlite"), clock=self.clock)

    async def vouched(self) -> Evidence:
        return bearer(self.code)

    async def wrong(self) -> Evidence:
        return bearer(self.code[:-2] + ("AA" if self.code[-2:] != "AA" else "QA"))

    async def withdraw(self) -> None:
        self.clock.now += 4 * DAY

    async def break_down(self) -> None:
        db = sqlite3.connect(self.folder / "invitations.sqlite")
        db.execute("DROP TABLE invitations")
        db.close()


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer tacita_invite_", "Basic x", "Bearer " + "x" * 10_000]
)
async def test_what_is_no_code_is_refused(tmp_path: Path, value: str) -> None:
    create(tmp_path)
    async with InvitationAttester(Invitations(tmp_path / "invitations.sqlite")) as attester:
        with pytest.raises(AttestationRefused):
            await attester.attest(Evidence(CIMultiDict({"Authorization": value})))


async def test_an_invitation_that_is_made_works_without_a_restart(tmp_path: Path) -> None:
    async with InvitationAttester(Invitations(tmp_path / "invitations.sqlite")) as attester:
        (code,) = create(tmp_path, tokens=7)
        account = await attester.attest(bearer(code))
    assert account.quota == 7
    assert account.until is not None


async def test_it_expires(tmp_path: Path) -> None:
    clock = Clock(10 * DAY + 5)
    (code,) = create(tmp_path, now=clock.now)
    async with InvitationAttester(Invitations(tmp_path / "invitations.sqlite"), clock=clock) as attester:
        clock.now = 14 * DAY - 1
        assert await attester.attest(bearer(code))
        clock.now = 14 * DAY
        with pytest.raises(CredentialRefused):
            await attester.attest(bearer(code))


async def test_it_buys_its_tokens_once_and_not_once_a_period(tmp_path: Path) -> None:
    clock = Clock(10.5 * DAY)
    account = Account("somebody", 20, until=14 * DAY)
    everybody = Account("everybody", 20)
    async with SqliteQuota(tmp_path / "quota.sqlite", bytes(32), DAY, clock=clock) as quota:
        for day in range(3):
            clock.now = (10.5 + day) * DAY
            await quota.forget_past()
            await quota.charge(everybody, b"day %d" % day, 20)
            assert (await quota.charge(account, b"day %d" % day, 6)).fresh
            # The same body again is answered again, also on a later day, and pays nothing.
            for earlier in range(day + 1):
                assert not (await quota.charge(account, b"day %d" % earlier, 6)).fresh
        with pytest.raises(QuotaUsedUp) as refusal:
            await quota.charge(account, b"too many", 3)
        assert refusal.value.left == 2
        assert refusal.value.status == 403
        with pytest.raises(OverQuota):
            await quota.charge(everybody, b"too many", 3)
        assert (await quota.charge(account, b"the rest", 2)).fresh


async def test_a_refund_of_it(tmp_path: Path) -> None:
    account = Account("somebody", 20, until=14 * DAY)
    async with SqliteQuota(tmp_path / "quota.sqlite", bytes(32), DAY, clock=Clock(10.5 * DAY)) as quota:
        await quota.refund(await quota.charge(account, b"one", 20))
        assert (await quota.charge(account, b"two", 20)).fresh


async def test_another_length_of_the_period_does_not_fill_it_again(tmp_path: Path) -> None:
    account = Account("somebody", 20, until=14 * DAY)
    for seconds in (7 * DAY, DAY, 3_600):
        async with SqliteQuota(
            tmp_path / "quota.sqlite", bytes(32), seconds, clock=Clock(10.5 * DAY)
        ) as quota:
            if seconds == 7 * DAY:
                await quota.charge(account, b"one", 20)
            else:
                with pytest.raises(QuotaUsedUp):
                    await quota.charge(account, b"two", 1)


async def test_its_records_are_dropped_when_it_is_over(tmp_path: Path) -> None:
    clock = Clock(10.5 * DAY)

    def rows() -> int:
        db = sqlite3.connect(tmp_path / "quota.sqlite")
        try:
            return int(
                db.execute("SELECT (SELECT count(*) FROM charged) + count(*) FROM answered").fetchone()[0]
            )
        finally:
            db.close()

    async with SqliteQuota(tmp_path / "quota.sqlite", bytes(32), DAY, clock=clock) as quota:
        await quota.charge(Account("somebody", 20, until=14 * DAY), b"one", 20)
        clock.now = 14.5 * DAY
        await quota.forget_past()
        assert rows() == 2
        clock.now = 15 * DAY
        await quota.forget_past()
        assert rows() == 0


async def spender(folder: Path, codes: list[str]) -> list[tuple[int, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "support.invited", str(folder), *codes),
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return [(int(got), account) for got, account in json.loads(said)]


@pytest.mark.e2e
async def test_processes_never_grant_more_than_a_code_bought(tmp_path: Path) -> None:
    codes = create(tmp_path, count=5, tokens=40)
    runs = await asyncio.gather(*(spender(tmp_path, codes) for _ in range(4)))
    for place in range(len(codes)):
        assert sum(run[place][0] for run in runs) == 40
        assert len({run[place][1] for run in runs}) == 1  # one account, whoever asks
    assert len({account for _, account in runs[0]}) == len(codes)


@pytest.mark.e2e
async def test_invitations_that_are_made_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    config = tmp_path / "issuer.toml"
    config.write_text(
        config_text()
        .replace(
            '{ kind = "api-key", accounts = "accounts.json" }',
            '{ kind = "invitation", database = "i.sqlite" }',
        )
        .replace("tiers = { standard = 1000 }", "")
    )

    async def invite() -> list[str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "issuer", "invite", "create", "--config", str(config)),
            *("--count", "50", "--tokens", "20", "--expires", "3"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode().split()

    codes = [code for made in await asyncio.gather(*(invite() for _ in range(4))) for code in made]
    assert len(set(codes)) == 200
    async with InvitationAttester(Invitations(tmp_path / "i.sqlite")) as attester:
        accounts = [await attester.attest(bearer(code)) for code in codes]
    assert len({account.id for account in accounts}) == 200
    assert {account.quota for account in accounts} == {20}
