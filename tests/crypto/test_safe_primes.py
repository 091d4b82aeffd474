"""Safe-prime keys: made, told from others, and inverses that fit."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as cryptography_rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from support import partially_blind, rsa

from tacita.crypto import libcrypto, safe_primes
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.safe_primes import NotSafePrimes, SafePrimes
from tacita.crypto.signer import SigningFailed, SigningUnavailable, best_signer


def test_a_new_key_is_of_two_safe_primes() -> None:
    seen: list[int] = []
    key = safe_primes.generate(progress=seen.append)
    assert key.public_key.n.bit_length() == 2048
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > 1
    SafePrimes.of(key)
    numbers = key.numbers()
    for prime in (numbers.p, numbers.q):
        assert prime.bit_length() == 1024
        half = (prime - 1) // 2
        assert pow(3, half - 1, half) == 1
    # An ordinary key for every engine, and for the key files.
    assert RsaPrivateKey.from_pem(key.to_pem()).public_key == key.public_key
    assert best_signer(key).sign([(2).to_bytes(256, "big")] * 3)


def test_what_progress_raises_ends_the_search() -> None:
    class Enough(Exception):
        pass

    def stop(candidates: int) -> None:
        if candidates == 2:
            raise Enough

    with pytest.raises(Enough):
        safe_primes.generate(progress=stop)


def test_other_keys_are_refused() -> None:
    with pytest.raises(NotSafePrimes, match="0xDA7A"):
        SafePrimes.of(rsa.private_key())
    # One safe prime is not enough.
    safe, other = partially_blind.private_key().numbers().p, rsa.private_key().numbers().p
    for p, q in ((safe, other), (other, safe)):
        d = pow(65537, -1, (p - 1) * (q - 1))
        with pytest.raises(NotSafePrimes):
            SafePrimes.of(rsa.from_numbers(p, q, 65537, d))


@given(st.integers(1, (1 << 1021) - 1).map(lambda half: 2 * half + 1))
@settings(max_examples=25, deadline=None)
def test_every_odd_exponent_has_its_key(exponent: int) -> None:
    numbers = partially_blind.private_key().numbers()
    der = SafePrimes.of(partially_blind.private_key()).private_key(exponent)
    key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, cryptography_rsa.RSAPrivateKey)
    found = key.private_numbers()
    assert (found.p, found.q, found.public_numbers.e) == (numbers.p, numbers.q, exponent)
    assert found.public_numbers.n == numbers.p * numbers.q
    assert found.d * exponent % ((numbers.p - 1) * (numbers.q - 1)) == 1
    assert found.dmp1 == found.d % (numbers.p - 1)
    assert found.dmq1 == found.d % (numbers.q - 1)
    assert found.iqmp == numbers.iqmp


def test_an_even_exponent_has_none() -> None:
    with pytest.raises(SigningFailed):
        SafePrimes.of(partially_blind.private_key()).private_key(4)


def test_without_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto.ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr(safe_primes, "_arithmetic", safe_primes._arithmetic.__wrapped__)
    with pytest.raises(SigningUnavailable, match="libssl3"):
        safe_primes.generate()
