"""What any `issuer.attesters.Attester` must do. A test class of an attester inherits `AttesterContract`."""

import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from multidict import CIMultiDict
from support.canaries import Canaries

from issuer.attesters import Account, Attester, Evidence
from issuer.errors import AttestationRefused, AttesterUnavailable

__all__ = ["AttesterContract", "said_by"]


def said_by(error: BaseException) -> str:
    """Return everything that `error` could tell a log: its words, its fields, and what it came from."""
    return "".join(
        [
            *traceback.format_exception(error),
            repr(error),
            repr(getattr(error, "fields", "")),
            repr(vars(error)),
        ]
    )


class AttesterContract:
    """The rules in the docstring of `Attester`, one test each."""

    depends: ClassVar[bool] = True
    """False for an attester that needs nothing but the evidence, and so can always tell."""

    def make(self) -> Attester:
        """Return an attester; each call over the same accounts, as after a restart."""
        raise NotImplementedError

    async def vouched(self) -> Evidence:
        """Return the evidence of somebody whom `make()` vouches for."""
        raise NotImplementedError

    async def wrong(self) -> Evidence:
        """Return evidence of the right form whose credential was never valid."""
        raise NotImplementedError

    async def withdraw(self) -> None:
        """Make what `vouched` returns not valid any more."""
        raise NotImplementedError

    async def break_down(self) -> None:
        """Make the attester unable to tell."""
        raise NotImplementedError

    def secrets(self, evidence: Evidence) -> Canaries:
        """Return what of `evidence` must not be said."""
        pieces = [value.partition(" ")[2].encode() or value.encode() for value in evidence.headers.values()]
        if evidence.peer_certificate is not None:
            pieces.append(evidence.peer_certificate)
        return Canaries({"evidence": pieces})

    @asynccontextmanager
    async def made(self) -> AsyncIterator[Attester]:
        async with self.make() as attester:
            yield attester

    async def test_the_account_is_the_same_after_a_restart(self) -> None:
        evidence = await self.vouched()
        async with self.made() as attester:
            first = await attester.attest(evidence)
            assert isinstance(first, Account)
            assert await attester.attest(evidence) == first
        async with self.made() as attester:
            assert await attester.attest(await self.vouched()) == first

    async def test_no_credential_is_refused(self) -> None:
        async with self.made() as attester:
            with pytest.raises(AttestationRefused) as refusal:
                await attester.attest(Evidence(CIMultiDict()))
        assert refusal.value.status in {401, 403}
        # RFC 9110, Section 15.5.2
        assert ("WWW-Authenticate" in refusal.value.fields) == (refusal.value.status == 401)

    async def test_wrong_and_withdrawn_look_the_same(self) -> None:
        evidence = await self.vouched()
        async with self.made() as attester:
            await attester.attest(evidence)
            with pytest.raises(AttestationRefused) as wrong:
                await attester.attest(await self.wrong())
            await self.withdraw()
            with pytest.raises(AttestationRefused) as withdrawn:
                await attester.attest(evidence)
        looks = [(one.value.status, str(one.value), one.value.fields) for one in (wrong, withdrawn)]
        assert looks[0] == looks[1]

    async def test_nobody_gets_in_when_it_cannot_tell(self) -> None:
        evidence = await self.vouched()
        async with self.made() as attester:
            await attester.attest(evidence)
            await attester.check()
            if self.depends:
                await self.break_down()
                with pytest.raises(AttesterUnavailable) as refusal:
                    await attester.attest(evidence)
                assert refusal.value.status == 503
                with pytest.raises(AttesterUnavailable):
                    await attester.check()

    async def test_nobody_gets_in_before_it_could_ever_tell(self) -> None:
        if not self.depends:
            return
        evidence = await self.vouched()
        async with self.made() as attester:
            await self.break_down()
            for asked in (attester.check(), attester.attest(evidence)):
                with pytest.raises(AttesterUnavailable):
                    await asked

    async def test_exceptions_hold_nothing_of_the_evidence(self) -> None:
        evidence, wrong = await self.vouched(), await self.wrong()
        canary = "canary-in-every-field"
        junk = Evidence(CIMultiDict({"Authorization": canary}), canary.encode())
        bearer = Evidence(CIMultiDict({"Authorization": f"Bearer {canary}"}))
        said = ""
        async with self.made() as attester:
            for asked in (wrong, junk, bearer):
                with pytest.raises(AttestationRefused) as refusal:
                    await attester.attest(asked)
                said += said_by(refusal.value)
            account = await attester.attest(evidence)
            await self.withdraw()
            with pytest.raises(AttestationRefused) as refusal:
                await attester.attest(evidence)
            said += said_by(refusal.value)
            if self.depends:
                await self.break_down()
                with pytest.raises(AttesterUnavailable) as unavailable:
                    await attester.attest(evidence)
                said += said_by(unavailable.value)
        assert canary not in said
        assert account.id not in said
        for one in (evidence, wrong):
            assert not self.secrets(one).in_bytes(said.encode())

    async def test_what_it_deals_with_does_not_print(self) -> None:
        evidence = await self.vouched()
        async with self.made() as attester:
            account = await attester.attest(evidence)
        assert account.id not in repr(account)
        assert not self.secrets(evidence).in_bytes(repr(evidence).encode())
