import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from issuer.errors import ClockSetBack, OverQuota, TooManyRepeats
from issuer.period import Period
from issuer.quota.claims import MAX_REPEATS, Claim
from issuer.quota.ledger import Ledger
from issuer.tiers import Tier
from tacita.errors import ConfigError

DAY = Period(86_400, 172_800)
NEXT = Period(172_800, 259_200)
AT = DAY.start * 1000
CLAIM = Claim(DAY, b"account" * 4, b"request" * 4, 10, Tier(tokens=100), AT)
CHECK = b"made of the key"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quota.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path, CHECK)
    yield ledger
    ledger.close()


def charge(ledger: Ledger, claim: Claim, quota: int = 100) -> bool:
    with ledger.transaction():
        return ledger.charge(replace(claim, tier=Tier(tokens=quota)))


def refund(ledger: Ledger, claim: Claim) -> bool:
    with ledger.transaction():
        return ledger.refund(claim, AT)


def test_charges_add_up_to_the_quota_and_no_further(ledger: Ledger) -> None:
    for number in range(10):
        assert charge(ledger, replace(CLAIM, request=b"%d" % number))
    with pytest.raises(OverQuota) as refusal:
        charge(ledger, replace(CLAIM, request=b"one more", tokens=1))
    assert refusal.value.left == 0
    assert ledger.tally(DAY, CLAIM.account).tokens == 100


def test_a_refund_after_its_tally_was_dropped_disturbs_nobody(ledger: Ledger) -> None:
    for number in range(2):
        charge(ledger, replace(CLAIM, request=b"%d" % number))
    with ledger.transaction():
        ledger.forget_before(NEXT, limit=1)  # one answer of two, and the one tally
    assert [refund(ledger, replace(CLAIM, request=b"%d" % number)) for number in range(2)] == [False, True]
    assert ledger.tally(DAY, CLAIM.account).tokens == 0


def test_a_claim_that_does_not_fit_leaves_the_rest(ledger: Ledger) -> None:
    charge(ledger, CLAIM, 15)
    with pytest.raises(OverQuota) as refusal:
        charge(ledger, replace(CLAIM, request=b"too much"), 15)
    assert refusal.value.left == 5
    assert charge(ledger, replace(CLAIM, request=b"fits", tokens=5), 15)


def test_a_quota_that_was_lowered_leaves_nothing(ledger: Ledger) -> None:
    charge(ledger, CLAIM)
    with pytest.raises(OverQuota) as refusal:
        charge(ledger, replace(CLAIM, request=b"other"), 5)
    assert refusal.value.left == 0


def test_the_same_request_pays_once(ledger: Ledger) -> None:
    assert charge(ledger, CLAIM, 10)
    assert not charge(ledger, CLAIM, 10)
    assert ledger.tally(DAY, CLAIM.account).tokens == 10


def test_the_same_request_of_another_account_pays(ledger: Ledger) -> None:
    assert charge(ledger, CLAIM)
    assert charge(ledger, replace(CLAIM, account=b"another"))


def test_repeats_are_bounded(ledger: Ledger) -> None:
    charge(ledger, CLAIM)
    for _ in range(MAX_REPEATS):
        charge(ledger, CLAIM)
    with pytest.raises(TooManyRepeats):
        charge(ledger, CLAIM)


def test_a_refund_takes_the_charge_back(ledger: Ledger) -> None:
    charge(ledger, CLAIM)
    assert refund(ledger, CLAIM)
    assert ledger.tally(DAY, CLAIM.account).tokens == 0
    assert charge(ledger, CLAIM)


def test_a_second_refund_changes_nothing(ledger: Ledger) -> None:
    charge(ledger, replace(CLAIM, request=b"other"))
    charge(ledger, CLAIM)
    assert refund(ledger, CLAIM)
    assert not refund(ledger, CLAIM)
    assert ledger.tally(DAY, CLAIM.account).tokens == 10


def test_no_refund_once_somebody_else_was_granted_the_request(ledger: Ledger) -> None:
    charge(ledger, CLAIM)
    charge(ledger, CLAIM)
    assert not refund(ledger, CLAIM)
    assert ledger.tally(DAY, CLAIM.account).tokens == 10


def test_a_new_period_begins_with_the_whole_quota(ledger: Ledger) -> None:
    charge(ledger, CLAIM, 10)
    assert charge(ledger, replace(CLAIM, period=NEXT), 10)


def test_a_clock_that_was_set_back_grants_nothing(ledger: Ledger) -> None:
    charge(ledger, replace(CLAIM, period=NEXT))
    with pytest.raises(ClockSetBack):
        charge(ledger, CLAIM)
    with pytest.raises(ClockSetBack), ledger.transaction():
        ledger.forget_before(DAY, limit=10)


def test_past_periods_are_forgotten_in_steps_and_leave_no_trace(ledger: Ledger, path: Path) -> None:
    for number in range(5):
        charge(ledger, replace(CLAIM, request=b"request number %d" % number, tokens=1))
    with ledger.transaction():
        assert ledger.forget_before(NEXT, limit=3) == 4
        assert ledger.forget_before(NEXT, limit=3) == 2
        assert ledger.forget_before(NEXT, limit=3) == 0
    ledger.truncate_wal()
    files = [path, path.with_name(path.name + "-wal")]
    assert not any(b"request number" in file.read_bytes() for file in files)
    assert not any(CLAIM.account in file.read_bytes() for file in files)


def test_the_present_period_is_not_forgotten(ledger: Ledger) -> None:
    charge(ledger, CLAIM)
    with ledger.transaction():
        assert ledger.forget_before(DAY, limit=3) == 0
    assert ledger.tally(DAY, CLAIM.account).tokens == 10


def test_a_transaction_that_fails_writes_nothing(ledger: Ledger) -> None:
    def fail_inside() -> None:
        with ledger.transaction():
            ledger.charge(CLAIM)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert ledger.tally(DAY, CLAIM.account).tokens == 0


def test_two_connections_share_one_quota(ledger: Ledger, path: Path) -> None:
    other = Ledger(path, CHECK)
    charge(ledger, CLAIM, 10)
    assert not charge(other, CLAIM, 10)
    with pytest.raises(OverQuota):
        charge(other, replace(CLAIM, request=b"other"), 10)
    other.close()


def test_it_is_durable_and_for_its_owner_only(ledger: Ledger, path: Path) -> None:
    charge(ledger, CLAIM)
    for name in (path.name, path.name + "-wal"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_another_schema_version_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(ConfigError, match="schema version 9"):
        Ledger(path, CHECK)


def test_another_hash_key_is_refused(path: Path) -> None:
    Ledger(path, CHECK).close()
    with pytest.raises(ConfigError, match="another hash key"):
        Ledger(path, b"made of another key")


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"certainly no database" * 100)
    with pytest.raises(ConfigError, match="not a usable quota database"):
        Ledger(path, CHECK)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        Ledger(tmp_path / "missing" / "quota.sqlite", CHECK)


def test_a_claim_does_not_print_who_it_is_for() -> None:
    assert "account" not in repr(CLAIM)
    assert "request" not in repr(CLAIM)


def test_a_database_of_the_first_version_is_taken_over(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript(
        """
        CREATE TABLE charged (
          period INTEGER NOT NULL, account BLOB NOT NULL, tokens INTEGER NOT NULL CHECK (tokens >= 0),
          PRIMARY KEY (period, account)
        ) WITHOUT ROWID;
        CREATE TABLE answered (
          period INTEGER NOT NULL, account BLOB NOT NULL, request BLOB NOT NULL,
          tokens INTEGER NOT NULL CHECK (tokens > 0), repeats INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (period, account, request)
        ) WITHOUT ROWID;
        CREATE TABLE about (newest INTEGER NOT NULL, key_check BLOB NOT NULL);
        PRAGMA user_version = 1;
        """
    )
    db.execute("INSERT INTO about VALUES (?, ?)", (DAY.start, CHECK))
    db.execute("INSERT INTO charged VALUES (?, ?, 95)", (DAY.start, CLAIM.account))
    db.execute("INSERT INTO answered VALUES (?, ?, ?, 10, 0)", (DAY.start, CLAIM.account, CLAIM.request))
    db.commit()
    db.close()
    for _ in range(2):
        ledger = Ledger(path, CHECK)
        assert not charge(ledger, CLAIM)
        with pytest.raises(OverQuota):
            charge(ledger, replace(CLAIM, request=b"other"))
        ledger.close()
