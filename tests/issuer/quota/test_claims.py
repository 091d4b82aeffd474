"""Claims: what account and request are called, and the key that the names are made with."""

import stat
from pathlib import Path

import pytest
from support.clocks import Clock

from issuer.attesters import Account
from issuer.period import Period
from issuer.quota.claims import Claims, load_hash_key
from issuer.tiers import Tier
from tacita.errors import ConfigError

KEY = bytes(range(32))
DAY = 86_400
ALICE = Account("alice", 20)


def test_a_claim_has_all_that_is_counted() -> None:
    claim, present = Claims(KEY, DAY, Clock(10.5 * DAY)).claim(ALICE, b"request", 3)
    assert claim.period == present == Period(10 * DAY, 11 * DAY)
    assert (claim.tokens, claim.tier, claim.at) == (3, Tier(tokens=20), 10 * DAY * 1000 + DAY * 500)
    assert claim.renewed


def test_an_account_without_periods_stands_under_its_end() -> None:
    claim, present = Claims(KEY, DAY, Clock(10.5 * DAY)).claim(Account("a", 20, until=14 * DAY), b"", 3)
    assert claim.period == Period(14 * DAY, 14 * DAY)
    assert present == Period(10 * DAY, 11 * DAY)
    assert not claim.renewed


def test_names_differ_in_everything_that_they_are_made_of() -> None:
    clock = Clock(10.5 * DAY)
    claims = Claims(KEY, DAY, clock)
    first, _ = claims.claim(ALICE, b"request", 1)
    same, _ = claims.claim(Account("alice", 7), b"request", 2)
    assert (same.account, same.request) == (first.account, first.request)
    other_request, _ = claims.claim(ALICE, b"request2", 1)
    other_account, _ = claims.claim(Account("alicer", 20), b"equest", 1)
    other_key, _ = Claims(bytes(32), DAY, clock).claim(ALICE, b"request", 1)
    clock.now += DAY
    other_period, _ = claims.claim(ALICE, b"request", 1)
    names = [first, other_account, other_key, other_period]
    assert len({claim.account for claim in names}) == 4
    assert len({claim.request for claim in [*names, other_request]}) == 5
    assert other_request.account == first.account


def test_a_claim_does_not_print_who_it_is_for() -> None:
    claim, _ = Claims(KEY, DAY, Clock(10.5 * DAY)).claim(ALICE, b"request", 3)
    assert "account" not in repr(claim)
    assert "request" not in repr(claim)


def test_the_hash_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "quota.key"
    key = load_hash_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_hash_key(path) == key


def test_a_hash_key_of_another_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quota.key"
    path.touch(mode=0o600)
    with pytest.raises(ConfigError, match="32 bytes"):
        load_hash_key(path)


def test_a_hash_key_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        load_hash_key(tmp_path / "missing" / "quota.key")
