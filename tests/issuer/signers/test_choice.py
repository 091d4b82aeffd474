"""Each engine behind the table `[signer]`, and the life of keys in a real SoftHSM2."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import rsa, softhsm
from support.clocks import Clock

from issuer.key_folder import KeyFolder, KeyName
from issuer.key_types import BLIND_RSA, KEY_TYPES, types_named
from issuer.keys import IssuerKeys
from issuer.signers.choice import OpenEngine, open_engine
from issuer.signers.config import EngineName, HsmTable, SignerConfig
from issuer.signers.hsm_process import HsmSigner
from tacita.crypto.engines.gmp import GmpSigner
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.keyring import Schedule
from tacita.crypto.rsa_keys import KeyMalformed
from tacita.crypto.signer import Signer, SigningUnavailable, best_signer

PERIOD = 1000
MESSAGE = (5).to_bytes(256, "big")


def signer_of(engine: OpenEngine, content: bytes) -> Signer:
    signer = engine.kinds[BLIND_RSA].load(content)
    assert hasattr(signer, "sign")
    return signer  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("auto", type(best_signer(rsa.private_key(0)))),
        ("libcrypto", LibcryptoSigner),
        ("gmp", GmpSigner),
    ],
)
def test_keys_in_memory(name: EngineName, kind: type) -> None:
    with open_engine(SignerConfig(engine=name)) as engine:
        assert set(engine.kinds) == set(KEY_TYPES)
        signer = signer_of(engine, rsa.private_key(0).to_pem())
        assert type(signer) is kind
        assert signer.sign([MESSAGE])
        with pytest.raises(KeyMalformed):
            engine.kinds[BLIND_RSA].load(b"pkcs11:object=tacita-issuer.%032d\n" % 0)


@pytest.fixture
def engine() -> Iterator[OpenEngine]:
    pin = softhsm.token().pin_file
    table = HsmTable(module=softhsm.MODULE, token=softhsm.TOKEN, pin_file=pin, label_prefix="test")
    with open_engine(SignerConfig(engine="pkcs11", hsm=table)) as engine:
        yield engine


def test_a_key_is_made_used_and_destroyed_in_the_device(engine: OpenEngine) -> None:
    kind = engine.kinds[BLIND_RSA]
    content = kind.generate()
    assert b"PRIVATE" not in content
    signer = signer_of(engine, content)
    assert isinstance(signer, HsmSigner)
    (signature,) = signer.sign([MESSAGE])
    assert pow(int.from_bytes(signature, "big"), signer.public_key.e, signer.public_key.n) == 5
    assert kind.generate() != content
    assert kind.discard is not None
    kind.discard(content)
    kind.discard(content)
    with pytest.raises(SigningUnavailable):
        kind.load(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"pkcs11:object=x\n",
        b"pkcs11:object=test.0123456789abcdef0123456789abcdef",
        b"pkcs11:object=test.0123456789abcdef0123456789ABCDEF\n",
        b"pkcs11:object=test.0123456789abcdef0123456789abcdef;type=cert\n",
    ],
)
def test_what_is_no_reference_is_no_key(engine: OpenEngine, content: bytes) -> None:
    with pytest.raises(KeyMalformed):
        engine.kinds[BLIND_RSA].load(content)
    assert engine.kinds[BLIND_RSA].discard is not None
    engine.kinds[BLIND_RSA].discard(content)


def keys_of(engine: OpenEngine, path: Path, clock: Clock) -> IssuerKeys:
    return IssuerKeys(
        KeyFolder(path),
        types_named([BLIND_RSA], engine.kinds),
        Schedule(PERIOD),
        kinds=engine.kinds,
        prepare=False,
        clock=clock,
    )


def referred(path: Path) -> set[bytes]:
    return {file.read_bytes() for file in path.glob("*.key")}


def test_keys_turn_over_in_the_device(engine: OpenEngine, tmp_path: Path) -> None:
    clock, path = Clock(5000.0), tmp_path / "keys"
    keys = keys_of(engine, path, clock)
    keys.turn()
    first = referred(path)
    for _ in range(2):
        clock.now += PERIOD
        keys.turn()
    assert len(referred(path)) == 3
    (dead,) = first - referred(path)
    with pytest.raises(SigningUnavailable):
        engine.kinds[BLIND_RSA].load(dead)
    for content in referred(path):
        assert signer_of(engine, content).sign([MESSAGE])


def test_replacing_them_destroys_the_old_ones(engine: OpenEngine, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = keys_of(engine, path, Clock(5000.0))
    keys.turn()
    old = referred(path)
    keys.replace()
    assert len(referred(path)) == 2
    assert not old & referred(path)
    for content in old:
        with pytest.raises(SigningUnavailable):
            engine.kinds[BLIND_RSA].load(content)


def test_keys_of_before_the_device_stay_until_they_are_dead(engine: OpenEngine, tmp_path: Path) -> None:
    clock, path = Clock(5000.0), tmp_path / "keys"
    with open_engine(SignerConfig()) as before:
        keys_of(before, path, clock).turn()
    keys = keys_of(engine, path, clock)
    keys.turn()
    assert not any(isinstance(key.signer, HsmSigner) for key in keys.present().issuing)
    clock.now += PERIOD
    keys.turn()
    assert [isinstance(key.signer, HsmSigner) for key in keys.present().issuing] == [True, False, False]
    clock.now += PERIOD
    keys.turn()
    clock.now += PERIOD
    keys.turn()
    assert all(isinstance(key.signer, HsmSigner) for key in keys.present().issuing)
    assert b"PRIVATE" not in b"".join(referred(path))


def test_who_loses_a_race_leaves_no_key_behind(
    engine: OpenEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = tmp_path / "keys", list[bytes]()
    keys = keys_of(engine, path, Clock(5000.0))
    add = KeyFolder.add

    def second(self: KeyFolder, name: KeyName, content: bytes) -> bool:
        """Another process is first."""
        made.append(content)
        if len(made) == 1:
            add(self, name, engine.kinds[BLIND_RSA].generate())
        return add(self, name, content)

    monkeypatch.setattr(KeyFolder, "add", second)
    keys.turn()
    lost, kept = made
    assert lost not in referred(path)
    assert kept in referred(path)
    with pytest.raises(SigningUnavailable):
        engine.kinds[BLIND_RSA].load(lost)
