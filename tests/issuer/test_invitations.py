import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from issuer.invitations import CODE_LENGTH, MAX_SIZES, Invitations, digest_of
from tacita.errors import ConfigError

NOON = 1_764_000_000 // 86_400 * 86_400 + 43_200


@pytest.fixture
def invitations(tmp_path: Path) -> Iterator[Invitations]:
    with closing(Invitations(tmp_path / "invitations.sqlite")) as opened:
        yield opened


def test_a_code_is_32_random_bytes(invitations: Invitations) -> None:
    (code,) = invitations.create(1, 5, 1, now=NOON, random=lambda length: b"\xff" * length)
    assert code == "tacita_invite_" + "_" * 42 + "8"
    assert len(code) == CODE_LENGTH
    assert len(set(invitations.create(100, 5, 1, now=NOON))) == 100


def test_what_a_code_buys(invitations: Invitations) -> None:
    codes = invitations.create(2, 5, 30, now=NOON)
    found = [invitations.find(digest_of(code)) for code in codes]
    assert [one and one.tokens for one in found] == [5, 5]
    # At the end of a UTC day, whatever the second in which it was made.
    assert {one and one.expires for one in found} == {NOON - 43_200 + 31 * 86_400}
    assert len({one and one.account for one in found}) == 2
    assert invitations.find(digest_of("tacita_invite_")) is None


def test_they_are_there_after_a_restart_and_hold_no_code(tmp_path: Path) -> None:
    path = tmp_path / "invitations.sqlite"
    with closing(Invitations(path)) as first:
        (code,) = first.create(1, 5, 1, now=NOON)
        found = first.find(digest_of(code))
        assert found
    with closing(Invitations(path)) as second:
        assert second.find(digest_of(code)) == found
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for file in tmp_path.iterdir():
            assert code.removeprefix("tacita_invite_").encode() not in file.read_bytes()


def test_expired_ones_are_dropped_with_the_next(invitations: Invitations) -> None:
    (code,) = invitations.create(1, 5, 1, now=NOON)
    invitations.create(1, 5, 1, now=NOON + 86_400)
    assert invitations.find(digest_of(code))
    invitations.create(1, 5, 1, now=NOON + 2 * 86_400)
    assert invitations.find(digest_of(code)) is None


def test_amounts_are_few(invitations: Invitations) -> None:
    for tokens in range(1, MAX_SIZES + 1):
        invitations.create(1, tokens, 1, now=NOON)
    with pytest.raises(ConfigError, match="1, 2, 3, 4"):
        invitations.create(1, 5, 1, now=NOON)
    invitations.create(1, 4, 1, now=NOON)
    invitations.create(1, 5, 1, now=NOON + 2 * 86_400)


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "invitations.sqlite"
    path.touch(mode=0o600)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError):
        Invitations(path)


def test_a_database_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "invitations.sqlite"
    path.touch(mode=0o600)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(ConfigError, match="version 2"):
        Invitations(path)


def test_a_database_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "invitations.sqlite"
    path.touch(mode=0o600)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"):
        Invitations(path)


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Invitations(tmp_path / "none" / "invitations.sqlite")


def test_the_list_has_no_codes(invitations: Invitations) -> None:
    late = invitations.create(2, 5, 30, now=NOON)
    (early,) = invitations.create(1, 20, 1, now=NOON)
    listed = invitations.listed()
    assert [(one.tokens, one.expires) for one in listed] == [
        (20, NOON + 86_400 + 43_200),
        *[(5, NOON + 30 * 86_400 + 43_200)] * 2,
    ]
    assert {one.label for one in listed} == {digest_of(code).hex()[:12] for code in (early, *late)}
    assert not any(one.label in code for one in listed for code in (early, *late))


def test_some_are_revoked(invitations: Invitations) -> None:
    codes = invitations.create(3, 5, 30, now=NOON)
    labels = [digest_of(code).hex()[:12] for code in codes]
    assert invitations.revoke(labels[:2]) == 2
    assert [invitations.find(digest_of(code)) is None for code in codes] == [True, True, False]
    with pytest.raises(ConfigError, match=labels[0]):
        invitations.revoke([labels[2], labels[0]])
    # All or nothing.
    assert [one.label for one in invitations.listed()] == labels[2:]
    assert invitations.revoke([]) == 0


def test_all_are_revoked_and_their_amounts_are_free_again(invitations: Invitations) -> None:
    for tokens in range(1, MAX_SIZES + 1):
        invitations.create(1, tokens, 1, now=NOON)
    assert invitations.revoke() == MAX_SIZES
    assert invitations.listed() == []
    assert invitations.revoke() == 0
    invitations.create(1, MAX_SIZES + 1, 1, now=NOON)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    opened = Invitations(tmp_path / "invitations.sqlite")
    opened._db.execute("DROP TABLE invitations")
    with pytest.raises(ConfigError, match="cannot be read"):
        opened.listed()
    with pytest.raises(ConfigError, match="cannot be written to"):
        opened.revoke()
    opened.close()
