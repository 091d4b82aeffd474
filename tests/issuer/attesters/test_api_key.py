from pathlib import Path

import pytest
from contracts.attester import AttesterContract
from multidict import CIMultiDict

from issuer.accounts import AccountsFile
from issuer.attesters import Attester, Evidence
from issuer.attesters.api_key import ApiKeyAttester, digest_of, new_api_key
from issuer.errors import CredentialMissing, CredentialRefused
from tacita.errors import ConfigError

TIERS = {"standard": 20, "large": 200}


def bearer(api_key: str) -> Evidence:
    return Evidence(CIMultiDict({"Authorization": f"Bearer {api_key}"}))


@pytest.fixture
def file(tmp_path: Path) -> AccountsFile:
    return AccountsFile(tmp_path / "accounts.json")


def add(file: AccountsFile, name: str, tier: str = "standard") -> str:
    api_key = new_api_key()
    file.add(name, tier, digest_of(api_key), created="2026-01-01")
    return api_key


class TestContract(AttesterContract):
    @pytest.fixture(autouse=True)
    def _accounts(self, file: AccountsFile) -> None:
        self.file = file
        self.api_key = add(file, "alice")

    def make(self) -> Attester:
        return ApiKeyAttester(self.file, TIERS)

    async def vouched(self) -> Evidence:
        return bearer(self.api_key)

    async def wrong(self) -> Evidence:
        return bearer(new_api_key())

    async def withdraw(self) -> None:
        self.file.remove("alice")

    async def break_down(self) -> None:
        self.file.path.write_bytes(b"no accounts file")


def test_an_api_key_is_32_random_bytes() -> None:
    assert new_api_key(lambda length: b"\xff" * length) == "tacita_" + "_" * 42 + "8"
    assert new_api_key() != new_api_key()


async def test_each_account_has_the_quota_of_its_tier(file: AccountsFile) -> None:
    small, large = add(file, "alice"), add(file, "bob", "large")
    attester = ApiKeyAttester(file, TIERS)
    accounts = [await attester.attest(bearer(api_key)) for api_key in (small, large)]
    assert [account.quota for account in accounts] == [20, 200]
    assert accounts[0].id != accounts[1].id


async def test_an_account_that_is_added_gets_in_without_a_restart(file: AccountsFile) -> None:
    attester = ApiKeyAttester(file, TIERS)
    add(file, "alice")
    assert attester.load() == 1
    assert (await attester.attest(bearer(add(file, "bob")))).quota == 20


async def test_a_name_that_is_used_again_is_another_account(file: AccountsFile) -> None:
    attester = ApiKeyAttester(file, TIERS)
    before = await attester.attest(bearer(add(file, "alice")))
    file.remove("alice")
    assert (await attester.attest(bearer(add(file, "alice")))).id != before.id


async def test_the_scheme_is_case_insensitive(file: AccountsFile) -> None:
    api_key = add(file, "alice")
    fields = CIMultiDict(authorization=f"bEARER  {api_key}")
    assert await ApiKeyAttester(file, TIERS).attest(Evidence(fields))


async def test_a_broken_file_that_is_mended_lets_in_again(file: AccountsFile) -> None:
    api_key = add(file, "alice")
    attester = ApiKeyAttester(file, TIERS)
    content = file.path.read_bytes()
    file.path.write_bytes(b"")
    with pytest.raises(ConfigError):
        attester.load()
    file.path.write_bytes(content)
    assert await attester.attest(bearer(api_key))


def test_a_tier_that_the_configuration_lacks_is_refused(file: AccountsFile) -> None:
    add(file, "alice", "huge")
    with pytest.raises(ConfigError, match="tier"):
        ApiKeyAttester(file, TIERS).load()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer tacita_",
        "Basic dXNlcjpwYXNz",
        "Bearer " + "x" * 10_000,
        "Bearer " + "\udcff" * 50,
        "Bearer tacita_" + "é" * 43,
    ],
)
async def test_what_is_no_api_key_is_refused(file: AccountsFile, value: str) -> None:
    add(file, "alice")
    with pytest.raises(CredentialRefused):
        await ApiKeyAttester(file, TIERS).attest(Evidence(CIMultiDict({"Authorization": value})))


async def test_two_credentials_are_refused(file: AccountsFile) -> None:
    fields = CIMultiDict(bearer(add(file, "alice")).headers)
    fields.add("Authorization", fields["Authorization"])
    with pytest.raises(CredentialRefused):
        await ApiKeyAttester(file, TIERS).attest(Evidence(fields))


async def test_without_accounts_nobody_gets_in(file: AccountsFile) -> None:
    attester = ApiKeyAttester(file, TIERS)
    assert attester.load() == 0
    with pytest.raises(CredentialMissing):
        await attester.attest(Evidence(CIMultiDict()))
    with pytest.raises(CredentialRefused):
        await attester.attest(bearer(new_api_key()))
