"""libcrypto and gmpy2 against the contract, and the choice between engines."""

import pytest
from contracts.signer import SignerContract
from support import rsa, vectors

from tacita.crypto.engines import crypto_mb_library, gmp, libcrypto
from tacita.crypto.engines.crypto_mb import CryptoMbSigner
from tacita.crypto.engines.gmp import GmpSigner
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer, SigningUnavailable, best_signer


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
    monkeypatch.setattr(libcrypto.ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr(libcrypto, "_library", libcrypto._library.__wrapped__)


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
