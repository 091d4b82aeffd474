"""What any `issuer.attesters.Attester` must do. A test class of an attester inherits `AttesterContract`."""

import pytest
from multidict import CIMultiDict

from issuer.attesters import Account, Attester
from issuer.errors import AttestationRefused, AttesterUnavailable

__all__ = ["AttesterContract"]


class AttesterContract:
    """The rules in the docstring of `Attester`, one test each."""

    def make(self) -> Attester:
        """Return an attester; each call over the same accounts, as after a restart."""
        raise NotImplementedError

    def vouched(self) -> CIMultiDict[str]:
        """Return header fields of somebody whom `make()` vouches for."""
        raise NotImplementedError

    def wrong(self) -> CIMultiDict[str]:
        """Return fields of the right form whose credential was never valid."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Make what `vouched` returns not valid any more."""
        raise NotImplementedError

    def break_down(self) -> None:
        """Make the attester unable to tell."""
        raise NotImplementedError

    async def test_the_account_is_the_same_after_a_restart(self) -> None:
        first = await self.make().attest(self.vouched())
        assert isinstance(first, Account)
        assert await self.make().attest(self.vouched()) == first

    async def test_no_credential_is_refused(self) -> None:
        with pytest.raises(AttestationRefused) as refusal:
            await self.make().attest(CIMultiDict())
        assert refusal.value.status == 401
        assert "WWW-Authenticate" in refusal.value.fields

    async def test_wrong_and_withdrawn_look_the_same(self) -> None:
        attester = self.make()
        credential = self.vouched()
        await attester.attest(credential)
        with pytest.raises(AttestationRefused) as wrong:
            await attester.attest(self.wrong())
        self.withdraw()
        with pytest.raises(AttestationRefused) as withdrawn:
            await attester.attest(credential)
        assert (str(withdrawn.value), withdrawn.value.fields) == (str(wrong.value), wrong.value.fields)

    async def test_nobody_gets_in_when_it_cannot_tell(self) -> None:
        attester = self.make()
        credential = self.vouched()
        await attester.attest(credential)
        await attester.check()
        self.break_down()
        with pytest.raises(AttesterUnavailable):
            await attester.attest(credential)
        with pytest.raises(AttesterUnavailable):
            await attester.check()

    async def test_exceptions_hold_nothing_of_the_headers(self) -> None:
        for fields in (self.wrong(), CIMultiDict({"Authorization": "canary"})):
            with pytest.raises(AttestationRefused) as refusal:
                await self.make().attest(fields)
            said = str(refusal.value) + "".join(refusal.value.fields.values())
            assert not any(value in said for value in fields.values())

    async def test_the_account_does_not_print(self) -> None:
        account = await self.make().attest(self.vouched())
        assert account.id not in repr(account)
