"""libcrypto and gmpy2 against the contract, and the choice between engines."""

import ctypes.util
import threading

import gmpy2
import pytest
from contracts.signer import SignerContract
from support import rsa, vectors

from tacita.crypto.engines import bignum, crypto_mb_library, gmp, libcrypto
from tacita.crypto.engines.crypto_mb import CryptoMbSigner
from tacita.crypto.engines.gmp import GmpSigner
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer, SigningFailed, SigningUnavailable, best_signer


class TestLibcrypto(SignerContract):
    def make(self, private_key: RsaPrivateKey) -> Signer:
        return LibcryptoSigner(private_key)


class TestGmp(SignerContract):
    def make(self, private_key: RsaPrivateKey) -> Signer:
        return GmpSigner(private_key)


def test_the_engines_agree_on_4096_bits() -> None:
    document = vectors.own("rfc9474.json")
    key = rsa.from_numbers(*(int(document["key"][name], 16) for name in ("p", "q", "e", "d")))
    blinded = [bytes.fromhex(vector["blinded_msg"]) for vector in document["vectors"]]
    expected = [bytes.fromhex(vector["blind_sig"]) for vector in document["vectors"]]
    assert LibcryptoSigner(key).sign(blinded) == expected
    assert GmpSigner(key).sign(blinded) == expected


def test_a_long_batch_draws_the_blinding_factor_anew_in_between() -> None:
    signer = LibcryptoSigner(rsa.private_key())
    message = (2).to_bytes(256, "big")
    assert set(signer.sign([message] * 70)) == set(signer.sign([message]))


def test_what_a_failed_call_has_worked_in_is_not_used_again() -> None:
    key = LibcryptoSigner(rsa.damaged(rsa.private_key(), dmp1=2))
    for _ in range(2):
        with pytest.raises(SigningFailed):
            key.sign([(2).to_bytes(256, "big")])
    assert not key._key._idle


def test_primes_of_different_lengths_are_refused() -> None:
    p, q = (int(gmpy2.next_prime(3 << bits)) for bits in (1086, 958))
    d = pow(65537, -1, (p - 1) * (q - 1))
    with pytest.raises(SigningUnavailable, match="one length"):
        LibcryptoSigner(rsa.from_numbers(p, q, 65537, d))


@pytest.mark.parametrize("swap", [False, True])
def test_either_prime_may_be_the_larger(swap: bool) -> None:
    numbers = rsa.private_key().numbers()
    p, q = (numbers.q, numbers.p) if swap else (numbers.p, numbers.q)
    message = (2).to_bytes(256, "big")
    signer = LibcryptoSigner(rsa.from_numbers(p, q, 65537, numbers.d))
    assert signer.sign([message]) == GmpSigner(rsa.private_key()).sign([message])


def test_threads_make_no_more_to_work_in_than_they_need() -> None:
    signer = LibcryptoSigner(rsa.private_key())
    message = (2).to_bytes(256, "big")
    threads = [threading.Thread(target=signer.sign, args=([message] * 5,)) for _ in range(4)]
    for _ in range(2):
        signer.sign([message])
    assert len(signer._key._idle) == 1
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(signer._key._idle) <= 4


def test_crypto_mb_comes_first_where_it_is_to_be_had() -> None:
    expected: type[Signer]
    try:
        crypto_mb_library.load()
        expected = CryptoMbSigner
    except SigningUnavailable:
        expected = LibcryptoSigner
    assert type(best_signer(rsa.private_key())) is expected


@pytest.fixture
def no_crypto_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SigningUnavailable("not here")

    monkeypatch.setattr(crypto_mb_library, "load", missing)


@pytest.mark.usefixtures("no_crypto_mb")
def test_libcrypto_comes_next() -> None:
    assert type(best_signer(rsa.private_key())) is LibcryptoSigner


def test_libcrypto_takes_the_sizes_that_crypto_mb_does_not() -> None:
    key = vectors.own("rfc9474.json")["key"]
    large = rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d")))
    assert type(best_signer(large)) is LibcryptoSigner


@pytest.fixture
def no_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    uncached = bignum.arithmetic.__wrapped__
    for module in (bignum, libcrypto):
        monkeypatch.setattr(module, "arithmetic", uncached)


@pytest.mark.usefixtures("no_libcrypto")
def test_without_libcrypto_gmpy2_signs() -> None:
    with pytest.raises(SigningUnavailable, match="libssl3"):
        LibcryptoSigner(rsa.private_key())
    assert isinstance(best_signer(rsa.private_key()), GmpSigner)


@pytest.mark.usefixtures("no_libcrypto")
def test_without_either_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmp, "gmpy2", None)
    with pytest.raises(SigningUnavailable, match="install OpenSSL 3"):
        best_signer(rsa.private_key())
