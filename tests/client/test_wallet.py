import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tacita.client.errors import WalletEmpty, WalletUnavailable
from tacita.client.wallet import Wallet
from tacita.errors import ConfigError
from tacita.privacypass.token import Token

CHALLENGE = b"c" * 32
KEY = b"k" * 32
_TAKER = Path(__file__).parents[1] / "support" / "taker.py"


def tokens(count: int, key: bytes = KEY, challenge: bytes = CHALLENGE) -> list[Token]:
    return [Token(2, os.urandom(32), challenge, key, os.urandom(256)) for _ in range(count)]


def taker(path: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(_TAKER), str(path), CHALLENGE.hex(), KEY.hex(), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_goes_in_comes_out_once(tmp_path: Path) -> None:
    kept = tokens(5)
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(kept)
        wallet.add(kept)
        assert wallet.count(CHALLENGE, {KEY}) == 5
    with Wallet.open(tmp_path / "w") as wallet:
        taken = [wallet.take(CHALLENGE, {KEY}) for _ in kept]
        with pytest.raises(WalletEmpty):
            wallet.take(CHALLENGE, {KEY})
    assert {token.encode() for token in taken} == {token.encode() for token in kept}


def test_the_order_is_not_that_of_issuance(tmp_path: Path) -> None:
    # 40! orders: that both are the same one does not happen.
    kept = tokens(40)
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(kept)
        taken = [wallet.take(CHALLENGE, {KEY}) for _ in kept]
    assert taken not in (kept, sorted(kept, key=Token.encode))


def test_tokens_of_unpublished_keys_are_never_taken(tmp_path: Path) -> None:
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(tokens(20, key=b"x" * 32))
        assert wallet.count(CHALLENGE, {KEY}) == 0
        wallet.add(tokens(1))
        assert wallet.count(CHALLENGE, {KEY}) == 1
        assert wallet.take(CHALLENGE, {KEY}).token_key_id == KEY
        with pytest.raises(WalletEmpty):
            wallet.take(CHALLENGE, {KEY})
        with pytest.raises(WalletEmpty):
            wallet.take(CHALLENGE, set())


def test_tokens_for_other_challenges_stay(tmp_path: Path) -> None:
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(tokens(1, challenge=b"d" * 32))
        with pytest.raises(WalletEmpty):
            wallet.take(CHALLENGE, {KEY})
        assert wallet.take(b"d" * 32, {KEY}).challenge_digest == b"d" * 32


def test_it_is_private_from_the_first_moment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add(tokens(1))
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_one_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    Wallet.open(tmp_path / "w").close()
    (tmp_path / "w").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Wallet.open(tmp_path / "w")


def test_another_version_is_refused(tmp_path: Path) -> None:
    Wallet.open(tmp_path / "w").close()
    database = sqlite3.connect(tmp_path / "w")
    for version in (3, -1):
        database.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(ConfigError, match="version 2"):
            Wallet.open(tmp_path / "w")
    database.close()


def test_a_wallet_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    kept = tokens(3)
    database = sqlite3.connect(tmp_path / "w", isolation_level=None)
    database.execute(
        "CREATE TABLE tokens (token BLOB PRIMARY KEY, challenge BLOB NOT NULL) STRICT, WITHOUT ROWID"
    )
    for token in kept:
        database.execute("INSERT INTO tokens VALUES (?, ?)", (token.encode(), token.challenge_digest))
    database.execute("PRAGMA user_version = 1")
    database.close()
    (tmp_path / "w").chmod(0o600)
    for _ in range(2):
        with Wallet.open(tmp_path / "w") as wallet:
            assert wallet.count(CHALLENGE, {KEY}) == 3
            with pytest.raises(WalletEmpty):
                wallet.take_expiring(CHALLENGE, {KEY}, 0)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "w")
    database.execute("CREATE TABLE notes (text)")
    database.close()
    (tmp_path / "w").chmod(0o600)
    before = (tmp_path / "w").read_bytes()
    with pytest.raises(ConfigError, match="not a wallet"):
        Wallet.open(tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == before


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"x" * 5000)
    (tmp_path / "w").chmod(0o600)
    with pytest.raises(ConfigError, match="cannot be opened"):
        Wallet.open(tmp_path / "w")
    with pytest.raises(ConfigError, match="cannot be opened"):
        Wallet.open(tmp_path / "no folder" / "w")
    with pytest.raises(ConfigError):
        Wallet.open(tmp_path)


def test_a_spent_token_stands_in_no_file_any_more(tmp_path: Path) -> None:
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(tokens(50))
        spent = wallet.take(CHALLENGE, {KEY})
        # While the wallet is still open: a stolen disk does not wait for us to close it.
        contents = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert spent.nonce not in contents
    assert spent.authenticator not in contents


def test_taking_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(tokens(2))
        wallet.take(CHALLENGE, {KEY})
        # A second, independent look at the file.
        with Wallet.open(tmp_path / "w") as other:
            assert other.count(CHALLENGE, {KEY}) == 1
        assert wallet._database.execute("PRAGMA synchronous").fetchone() == (3,)
        assert not wallet._database.in_transaction


def test_a_wallet_that_cannot_be_written_gives_nothing_away(tmp_path: Path) -> None:
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(tokens(1))
        wallet._database.execute("PRAGMA query_only = ON")
        with pytest.raises(WalletUnavailable) as raised:
            wallet.take(CHALLENGE, {KEY})
        assert raised.value.__cause__ is None
        with pytest.raises(WalletUnavailable):
            wallet.add(tokens(1))
        wallet._database.execute("PRAGMA query_only = OFF")
        assert wallet.count(CHALLENGE, {KEY}) == 1


def test_processes_never_take_the_same_token(tmp_path: Path) -> None:
    kept = tokens(120)
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(kept)
    takers = [taker(tmp_path / "w") for _ in range(3)]
    taken = [process.communicate(timeout=60)[0].split() for process in takers]
    assert [process.returncode for process in takers] == [0, 0, 0]
    together = [token for one in taken for token in one]
    assert sorted(together) == sorted(token.encode().hex() for token in kept)


def test_a_process_killed_between_take_and_use_has_lost_the_token_and_nobody_finds_it(tmp_path: Path) -> None:
    kept = tokens(8)
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(kept)
    seen = []
    for _ in range(4):
        with taker(tmp_path / "w", "1") as process:
            assert process.stdout is not None
            seen.append(process.stdout.readline().strip())
            process.send_signal(signal.SIGKILL)
    with Wallet.open(tmp_path / "w") as wallet:
        assert wallet.count(CHALLENGE, {KEY}) == 4
        seen += [wallet.take(CHALLENGE, {KEY}).encode().hex() for _ in range(4)]
    assert sorted(seen) == sorted(token.encode().hex() for token in kept)


def test_killed_at_any_moment_no_token_comes_twice(tmp_path: Path) -> None:
    kept = tokens(200)
    with Wallet.open(tmp_path / "w") as wallet:
        wallet.add(kept)
    seen: list[str] = []
    for count in (1, 7, 20):
        with taker(tmp_path / "w") as process:
            assert process.stdout is not None
            seen += [process.stdout.readline().strip() for _ in range(count)]
            process.send_signal(signal.SIGKILL)
            # A last line may be cut, or its token taken and never printed: lost, not shown twice.
            seen += [line.strip() for line in process.stdout if line.endswith("\n")]
    with Wallet.open(tmp_path / "w") as wallet:
        left = wallet.count(CHALLENGE, {KEY})
        seen += [wallet.take(CHALLENGE, {KEY}).encode().hex() for _ in range(left)]
    assert len(set(seen)) == len(seen)
    assert len(kept) - 3 <= len(seen) <= len(kept)
