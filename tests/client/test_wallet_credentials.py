"""The wallet's credentials of type 0xE5AC and its tokens of type 0xDA7A."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tacita.client.errors import WalletEmpty, WalletUnavailable
from tacita.client.wallet import ExpiringToken, Wallet
from tacita.crypto.arc import LimitOutOfRange
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.extensions import ExpirationPolicy, Extensions
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc
from tacita.privacypass.types.arc_challenge import CredentialChallenge

LIMIT = 5
KEY = arc.PrivateKey.generate()
IDS = {KEY.public_key.key_id}
_PRESENTER = Path(__file__).parents[1] / "support" / "presenter.py"


def challenge(*, redemption: bytes = b"", credential: bytes = b"") -> CredentialChallenge:
    base = TokenChallenge(arc.TOKEN_TYPE, "issuer.example", redemption, ("gateway.example",))
    return CredentialChallenge(base, credential)


HERE = challenge()


def issued(wanted: CredentialChallenge = HERE, key: arc.PrivateKey = KEY) -> arc.Credential:
    request, pending = arc.request(wanted.encode(), key.public_key)
    (response,) = arc.issue([request], key)
    return arc.finalize(pending, response)


def spent(token: arc.Token, wanted: CredentialChallenge = HERE, limit: int = LIMIT) -> bytes:
    return arc.verify(token, KEY, wanted, limit).spent_id


def presenter(path: Path, limit: int, *more: str) -> subprocess.Popen[str]:
    arguments = (str(path), HERE.encode().hex(), KEY.public_key.key_id.hex(), str(limit), *more)
    command = [sys.executable, str(_PRESENTER), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class TestCredentials:
    def test_one_is_shown_as_often_as_the_limit_and_never_the_same(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
            assert wallet.count_presentations(HERE, LIMIT, IDS) == LIMIT
            shown = [wallet.present(HERE, LIMIT, IDS) for _ in range(2)]
        with Wallet.open(tmp_path / "w") as wallet:
            assert wallet.count_presentations(HERE, LIMIT, IDS) == LIMIT - 2
            shown += [wallet.present(HERE, LIMIT, IDS) for _ in range(LIMIT - 2)]
            with pytest.raises(WalletEmpty):
                wallet.present(HERE, LIMIT, IDS)
            assert wallet.count_presentations(HERE, LIMIT, IDS) == 0
        assert len(set(map(spent, shown))) == LIMIT

    def test_another_redemption_context_begins_anew(self, tmp_path: Path) -> None:
        epochs = [challenge(redemption=bytes((number,)) * 32) for number in range(2)]
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
            for epoch in epochs:
                for _ in range(LIMIT):
                    spent(wallet.present(epoch, LIMIT, IDS), epoch)
                with pytest.raises(WalletEmpty):
                    wallet.present(epoch, LIMIT, IDS)

    def test_the_oldest_that_fits_and_is_not_used_up_is_shown(self, tmp_path: Path) -> None:
        window = challenge(credential=b"w" * 32)
        with Wallet.open(tmp_path / "w") as wallet:
            for one in (issued(window), issued(), issued()):
                wallet.add_credential(one)
            assert wallet.count_presentations(HERE, LIMIT, IDS) == 2 * LIMIT
            shown = [spent(wallet.present(HERE, LIMIT, IDS)) for _ in range(2 * LIMIT)]
            assert len(set(shown)) == 2 * LIMIT
            with pytest.raises(WalletEmpty):
                wallet.present(HERE, LIMIT, IDS)
            spent(wallet.present(window, LIMIT, IDS), window)

    def test_one_of_an_unpublished_key_is_dropped(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued(key=arc.PrivateKey.generate()))
            assert wallet.count_presentations(HERE, LIMIT, IDS) == 0
            with pytest.raises(WalletEmpty):
                wallet.present(HERE, LIMIT, IDS)
            assert wallet._credentials() == []
            wallet.add_credential(issued())
            spent(wallet.present(HERE, LIMIT, IDS))

    @pytest.mark.parametrize("limit", [1, 2**32])
    def test_a_limit_without_a_proof_costs_nothing(self, tmp_path: Path, limit: int) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
            with pytest.raises(LimitOutOfRange):
                wallet.present(HERE, limit, IDS)
            assert wallet.count_presentations(HERE, LIMIT, IDS) == LIMIT

    def test_a_nonce_is_used_up_on_the_disk_before_it_is_shown(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
            wallet.present(HERE, LIMIT, IDS)
            # A second, independent look at the file.
            with Wallet.open(tmp_path / "w") as other:
                assert other.count_presentations(HERE, LIMIT, IDS) == LIMIT - 1
            assert not wallet._database.in_transaction

    def test_a_wallet_that_cannot_be_written_shows_nothing(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
            wallet._database.execute("PRAGMA query_only = ON")
            with pytest.raises(WalletUnavailable):
                wallet.present(HERE, LIMIT, IDS)
            with pytest.raises(WalletUnavailable):
                wallet.add_credential(issued())
            wallet._database.execute("PRAGMA query_only = OFF")
            assert wallet.count_presentations(HERE, LIMIT, IDS) == LIMIT

    def test_processes_never_show_the_same_nonce(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
        running = [presenter(tmp_path / "w", 40) for _ in range(3)]
        lines = [process.communicate(timeout=120)[0].split() for process in running]
        assert [process.returncode for process in running] == [0, 0, 0]
        shown = [spent(arc.Token.decode(bytes.fromhex(one)), limit=40) for each in lines for one in each]
        assert len(shown) == len(set(shown)) == 40

    def test_killed_at_any_moment_no_nonce_comes_twice(self, tmp_path: Path) -> None:
        limit, kills = 120, (1, 4, 7)
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_credential(issued())
        seen: list[str] = []
        for count in kills:
            with presenter(tmp_path / "w", limit) as process:
                assert process.stdout is not None
                seen += [process.stdout.readline().strip() for _ in range(count)]
                process.send_signal(signal.SIGKILL)
                # The nonce of a line that was cut, or never printed, is lost and not shown again.
                seen += [line.strip() for line in process.stdout if line.endswith("\n")]
        with Wallet.open(tmp_path / "w") as wallet:
            left = wallet.count_presentations(HERE, limit, IDS)
            seen += [wallet.present(HERE, limit, IDS).encode().hex() for _ in range(left)]
        shown = [spent(arc.Token.decode(bytes.fromhex(one)), limit=limit) for one in seen]
        assert len(set(shown)) == len(shown)
        assert limit - len(kills) <= len(shown) <= limit


class TestExpiringTokens:
    DIGEST = b"c" * 32
    POLICY = ExpirationPolicy(3600, 86_400)
    NOW = 1_700_000_000

    def one(self, *, key: bytes = b"k" * 32, at: float = NOW) -> ExpiringToken:
        token = Token(0xDA7A, os.urandom(32), self.DIGEST, key, os.urandom(256))
        return ExpiringToken(token, self.POLICY.choose(at))

    def test_what_goes_in_comes_out_once_with_its_extensions(self, tmp_path: Path) -> None:
        kept = [self.one() for _ in range(3)]
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_expiring(kept)
            wallet.add_expiring(kept)
        with Wallet.open(tmp_path / "w") as wallet:
            taken = [wallet.take_expiring(self.DIGEST, {b"k" * 32}, self.NOW) for _ in kept]
            with pytest.raises(WalletEmpty):
                wallet.take_expiring(self.DIGEST, {b"k" * 32}, self.NOW)
        assert sorted(one.token.nonce for one in taken) == sorted(one.token.nonce for one in kept)
        assert {one.extensions for one in taken} == {self.POLICY.choose(self.NOW)}

    def test_expired_ones_and_those_of_unpublished_keys_are_dropped(self, tmp_path: Path) -> None:
        good = self.one()
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_expiring([self.one(at=self.NOW - 86_400), self.one(key=b"x" * 32), good])
            assert wallet.take_expiring(self.DIGEST, {b"k" * 32}, self.NOW) == good
            with pytest.raises(WalletEmpty):
                wallet.take_expiring(self.DIGEST, {b"k" * 32}, self.NOW)
            # Dropped, and not only passed over.
            with pytest.raises(WalletEmpty):
                wallet.take_expiring(self.DIGEST, {b"k" * 32, b"x" * 32}, 0)

    def test_it_has_expired_at_the_very_second(self, tmp_path: Path) -> None:
        one = self.one()
        (expiry,) = one.extensions.expirations()
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_expiring([one])
            with pytest.raises(WalletEmpty):
                wallet.take_expiring(self.DIGEST, {b"k" * 32}, expiry.timestamp)

    def test_they_are_apart_from_other_tokens(self, tmp_path: Path) -> None:
        with Wallet.open(tmp_path / "w") as wallet:
            wallet.add_expiring([self.one()])
            with pytest.raises(WalletEmpty):
                wallet.take(self.DIGEST, {b"k" * 32})
            wallet.add_expiring([ExpiringToken(self.one().token, Extensions())])
            assert wallet.take_expiring(self.DIGEST, {b"k" * 32}, self.NOW)
