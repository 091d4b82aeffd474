"""Intel's eight lanes: the contract, which message goes where, and what is said where they cannot be had."""

import ctypes
from importlib import metadata

import pytest
from contracts.signer import SignerContract
from support import rsa, vectors

from tacita.crypto.engines import crypto_mb, crypto_mb_library
from tacita.crypto.engines.crypto_mb import MIN_LANES, CryptoMbSigner
from tacita.crypto.engines.crypto_mb_library import LANES
from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import OutOfRange, RsaPrivateKey
from tacita.crypto.signer import Signer


@pytest.fixture(scope="module")
def lanes() -> None:
    try:
        crypto_mb_library.load()
    except SigningUnavailable as error:
        pytest.skip(str(error))


def blinded(count: int, start: int = 2) -> list[bytes]:
    return [number.to_bytes(256, "big") for number in range(start, start + count)]


@pytest.mark.usefixtures("lanes")
class TestCryptoMb(SignerContract):
    def make(self, private_key: RsaPrivateKey) -> Signer:
        return CryptoMbSigner(private_key)

    @pytest.mark.parametrize("count", [*range(2 * LANES + 2), 100])
    def test_any_count_is_signed_as_libcrypto_does(self, count: int) -> None:
        key = rsa.private_key()
        assert CryptoMbSigner(key).sign(blinded(count)) == LibcryptoSigner(key).sign(blinded(count))

    @pytest.mark.parametrize(
        ("count", "left"), [(1, 1), (2, 2), (3, 0), (8, 0), (9, 1), (10, 2), (11, 0), (100, 0)]
    )
    def test_fewer_than_three_go_to_libcrypto(
        self, count: int, left: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert MIN_LANES == 3
        signer = CryptoMbSigner(rsa.private_key())
        seen: list[int] = []
        plain = signer._libcrypto.sign

        def counting(messages: list[bytes]) -> list[bytes]:
            seen.append(len(messages))
            return plain(messages)

        monkeypatch.setattr(signer._libcrypto, "sign", counting)
        assert len(signer.sign(blinded(count))) == count
        assert sum(seen) == left

    def test_keys_whose_first_prime_is_the_smaller_one(self) -> None:
        numbers = rsa.private_key().numbers()
        for p, q in ((numbers.p, numbers.q), (numbers.q, numbers.p)):
            key = rsa.from_numbers(p, q, 65537, numbers.d)
            assert CryptoMbSigner(key).sign(blinded(8)) == LibcryptoSigner(key).sign(blinded(8))

    @pytest.mark.parametrize("lane", range(LANES))
    def test_a_fault_in_any_lane_withholds_the_whole_batch(
        self, lane: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signer = CryptoMbSigner(rsa.private_key())
        library = signer._library
        plain = library.private

        def faulty(source: object, target: "ctypes.Array[ctypes.c_void_p]", *rest: object) -> None:
            plain(source, target, *rest)  # type: ignore[arg-type]
            ctypes.c_uint8.from_address(target[lane] + 255).value ^= 1

        monkeypatch.setattr(library, "private", faulty)
        with pytest.raises(SigningFailed) as caught:
            signer.sign(blinded(2 * LANES))
        assert caught.value.__context__ is None

    def test_a_status_of_any_lane_is_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        signer = CryptoMbSigner(rsa.private_key())
        for name in ("_private", "_public"):
            with monkeypatch.context() as patch:
                patch.setattr(signer._library, name, lambda *_: 1 << 28)
                with pytest.raises(SigningFailed, match="crypto_mb"):
                    signer.sign(blinded(4))
        assert signer.sign(blinded(4))

    def test_one_message_out_of_range_stops_the_batch(self) -> None:
        with pytest.raises(OutOfRange):
            CryptoMbSigner(rsa.private_key()).sign([*blinded(20), bytes(256)])

    def test_other_sizes_are_for_other_engines(self) -> None:
        key = vectors.own("rfc9474.json")["key"]
        large = rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d")))
        with pytest.raises(SigningUnavailable, match="2048-bit"):
            CryptoMbSigner(large)


@pytest.fixture
def reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto_mb_library, "load", crypto_mb_library.load.__wrapped__)


@pytest.mark.usefixtures("reload")
class TestWithout:
    """Each thing that may be missing has its sentence."""

    def test_the_wheel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "files", missing)
        with pytest.raises(SigningUnavailable, match="install the extra `fast`"):
            CryptoMbSigner(rsa.private_key())

    def test_a_file_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metadata, "files", lambda _: None)
        with pytest.raises(SigningUnavailable, match="again"):
            CryptoMbSigner(rsa.private_key())

    def test_what_it_needs_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crypto_mb_library, "_path", lambda *_: "/nonexistent.so")
        with pytest.raises(SigningUnavailable, match=r"libcrypto\.so\.3"):
            CryptoMbSigner(rsa.private_key())

    @pytest.mark.usefixtures("lanes")
    def test_the_instructions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crypto_mb_library, "_AVX512_IFMA", 1 << 63)
        with pytest.raises(SigningUnavailable, match="AVX512-IFMA"):
            CryptoMbSigner(rsa.private_key())
        assert crypto_mb.LANES == 8
