"""What any `tacita.crypto.signer.Signer` must do. A test class of an engine inherits `SignerContract`."""

import threading

import pytest
from support import rsa

from tacita.crypto import blind_rsa
from tacita.crypto.blind_rsa import Variant
from tacita.crypto.rsa_keys import OutOfRange, RsaPrivateKey
from tacita.crypto.signer import Signer, SigningFailed

__all__ = ["SignerContract"]

VARIANT = Variant.PSS_DETERMINISTIC


class SignerContract:
    """The rules in the docstring of `Signer`, one test each."""

    def make(self, private_key: RsaPrivateKey) -> Signer:
        raise NotImplementedError

    @pytest.fixture
    def signer(self) -> Signer:
        return self.make(rsa.private_key())

    def messages(self, count: int) -> list[tuple[bytes, bytes, int]]:
        key = rsa.private_key().public_key
        return [(text, *blind_rsa.blind(VARIANT, key, text)) for text in (b"%d" % i for i in range(count))]

    def test_signs_a_batch_in_order(self, signer: Signer) -> None:
        asked = self.messages(5)
        answers = signer.sign([blinded for _, blinded, _ in asked])
        for (text, _, inverse), answer in zip(asked, answers, strict=True):
            blind_rsa.finalize(VARIANT, signer.public_key, text, answer, inverse)

    def test_an_empty_batch_has_no_signatures(self, signer: Signer) -> None:
        assert signer.sign([]) == []

    def test_tells_its_key_and_size(self, signer: Signer) -> None:
        assert signer.public_key == rsa.private_key().public_key
        assert signer.modulus_size == 256

    def test_signs_the_ends_of_the_range(self, signer: Signer) -> None:
        last = (signer.public_key.n - 1).to_bytes(256, "big")
        one = (1).to_bytes(256, "big")
        assert signer.sign([one, last]) == [one, last]

    @pytest.mark.parametrize("length", [0, 255, 257])
    def test_refuses_another_length(self, signer: Signer, length: int) -> None:
        with pytest.raises(OutOfRange):
            signer.sign([b"\x01" * length])

    def test_refuses_zero_and_the_modulus(self, signer: Signer) -> None:
        for value in (0, signer.public_key.n, signer.public_key.n + 1):
            with pytest.raises(OutOfRange):
                signer.sign([self.messages(1)[0][1], value.to_bytes(256, "big")])

    @pytest.mark.parametrize("flips", [{"dmp1": 2, "d": 2}, {"dmq1": 1 << 900, "d": 4}, {"iqmp": 1, "d": 8}])
    def test_never_releases_a_wrong_signature(self, flips: dict[str, int]) -> None:
        signer = self.make(rsa.damaged(rsa.private_key(), **flips))
        good = [blinded for _, blinded, _ in self.messages(2)]
        with pytest.raises(SigningFailed) as caught:
            signer.sign(good)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("name", ["dmp1", "dmq1", "iqmp"])
    def test_one_damaged_crt_parameter_never_shows(self, name: str) -> None:
        """An engine may notice and sign without CRT, or refuse; it may not let the wrong result out."""
        signer = self.make(rsa.damaged(rsa.private_key(), **{name: 1 << 77}))
        asked = self.messages(2)
        try:
            answers = signer.sign([blinded for _, blinded, _ in asked])
        except SigningFailed:
            return
        for (text, _, inverse), answer in zip(asked, answers, strict=True):
            blind_rsa.finalize(VARIANT, signer.public_key, text, answer, inverse)

    def test_threads_share_one_signer(self, signer: Signer) -> None:
        asked = [blinded for _, blinded, _ in self.messages(8)]
        expected = signer.sign(asked)
        found: list[list[bytes]] = []
        threads = [threading.Thread(target=lambda: found.append(signer.sign(asked))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [expected] * 8
