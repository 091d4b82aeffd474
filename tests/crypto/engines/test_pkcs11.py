"""Keys in a real SoftHSM2: the contract, and what is said when key, token or library are not there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.signer import SignerContract
from support import rsa, softhsm, vectors

from tacita.crypto.engines import pkcs11
from tacita.crypto.engines.pkcs11 import Pkcs11Session
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer, SignerUnreachable, SigningFailed, SigningUnavailable

MESSAGE = (5).to_bytes(256, "big")


def open_session(**changes: str) -> Pkcs11Session:
    softhsm.token()
    return Pkcs11Session(softhsm.MODULE, **{"token": softhsm.TOKEN, "pin": softhsm.PIN} | changes)


@pytest.fixture(scope="module")
def session() -> Iterator[Pkcs11Session]:
    with open_session() as session:
        yield session


@pytest.fixture(autouse=True)
def one_session(session: Pkcs11Session) -> None:
    """Every test of this file shares the one login of this process."""


class TestPkcs11(SignerContract):
    @pytest.fixture(autouse=True)
    def _session(self, session: Pkcs11Session) -> None:
        self.session = session

    def make(self, private_key: RsaPrivateKey) -> Signer:
        return self.session.signer(softhsm.token().add(private_key))


def test_a_larger_key_signs_too(session: Pkcs11Session) -> None:
    document = vectors.own("rfc9474.json")
    key = rsa.from_numbers(*(int(document["key"][name], 16) for name in ("p", "q", "e", "d")))
    signer = session.signer(softhsm.token().add(key))
    blinded = [bytes.fromhex(vector["blinded_msg"]) for vector in document["vectors"]]
    assert signer.sign(blinded) == [bytes.fromhex(vector["blind_sig"]) for vector in document["vectors"]]


def test_a_label_names_exactly_one_key(session: Pkcs11Session) -> None:
    with pytest.raises(SigningUnavailable, match="exactly one"):
        session.signer("nobody")
    for number in (0, 1):
        softhsm.token().add(rsa.private_key(number), "twice")
    with pytest.raises(SigningUnavailable, match="exactly one"):
        session.signer("twice")


def test_keys_that_are_too_small_are_refused(session: Pkcs11Session) -> None:
    small = softhsm.token().add_pem(
        subprocess.run(["openssl", "genrsa", "1024"], check=True, capture_output=True).stdout
    )
    with pytest.raises(SigningUnavailable, match="2048 to 4096"):
        session.signer(small)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("DeviceRemoved", SignerUnreachable),
        ("SessionHandleInvalid", SignerUnreachable),
        ("GeneralError", SignerUnreachable),
        ("FunctionFailed", SigningFailed),
    ],
)
def test_what_the_device_says_becomes_ours(
    session: Pkcs11Session, error: str, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = session.signer(softhsm.token().add(rsa.private_key()))

    class Device:
        def sign(self, *_args: object, **_more: object) -> bytes:
            raise getattr(pkcs11.pkcs11, error)

    monkeypatch.setattr(signer, "_private_key", Device())
    with pytest.raises(expected) as caught:
        signer.sign([MESSAGE])
    assert caught.value.__context__ is None


def test_leading_zeros_that_the_device_leaves_off_come_back(
    session: Pkcs11Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = session.signer(softhsm.token().add(rsa.private_key()))

    class Device:
        def sign(self, message: bytes, **_more: object) -> bytes:
            return b"\x01"

    monkeypatch.setattr(signer, "_private_key", Device())
    one = (1).to_bytes(256, "big")
    assert signer.sign([one]) == [one]


def test_a_key_is_made_and_destroyed_in_the_device(session: Pkcs11Session) -> None:
    session.generate("made-here")
    signer = session.signer("made-here")
    (signature,) = signer.sign([MESSAGE])
    assert pow(int.from_bytes(signature, "big"), signer.public_key.e, signer.public_key.n) == 5
    assert signer.modulus_size == 256
    with pytest.raises(SigningUnavailable, match="already"):
        session.generate("made-here")
    private_key = signer._private_key
    assert private_key[pkcs11.pkcs11.Attribute.EXTRACTABLE] is False
    assert private_key[pkcs11.pkcs11.Attribute.SENSITIVE] is True
    session.destroy("made-here")
    session.destroy("made-here")
    with pytest.raises(SigningUnavailable, match="exactly one"):
        session.signer("made-here")
    session.generate("made-here")
    assert session.signer("made-here").public_key != signer.public_key
    session.destroy("made-here")


@pytest.mark.parametrize("changes", [{"token": "another"}, {"pin": "0000"}])
def test_another_token_or_pin(changes: dict[str, str]) -> None:
    with pytest.raises(SigningUnavailable, match="label and the PIN"):
        open_session(**changes)


def test_another_library() -> None:
    with pytest.raises(SigningUnavailable, match="path of its library"):
        Pkcs11Session(Path("/nonexistent.so"), token=softhsm.TOKEN, pin=softhsm.PIN)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkcs11, "pkcs11", None)
    with pytest.raises(SigningUnavailable, match="install the extra `hsm`"):
        open_session()


# The last one of the file: it ends the session that all of them share.
def test_a_session_that_is_over_is_unreachable(session: Pkcs11Session) -> None:
    signer = session.signer(softhsm.token().add(rsa.private_key()))
    assert signer.sign([MESSAGE])
    session.close()
    with pytest.raises(SignerUnreachable) as caught:
        signer.sign([MESSAGE])
    assert caught.value.status == 503
    with pytest.raises(SignerUnreachable):
        session.signer("nobody")
    for call in (session.generate, session.destroy):
        with pytest.raises(SignerUnreachable):
            call("nobody")
    session.close()
