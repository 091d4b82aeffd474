import pytest
from support.ohttp_keys import gateway_key

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey, Suite
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig
from tacita.ohttp.errors import SuiteNotOffered, UnknownKey
from tacita.ohttp.exchange import CHUNKED, ONE_SHOT, Labels, header


def test_lookup_by_id_in_order() -> None:
    keys = GatewayKeys([gateway_key(key_id=9), gateway_key(Kem.P256, key_id=2)])
    assert [key.config.key_id for key in keys] == [9, 2]
    assert len(keys) == 2
    found = keys.get(2)
    assert found is not None
    assert found.config.kem is Kem.P256
    assert keys.get(1) is None


@pytest.mark.parametrize("labels", [ONE_SHOT, CHUNKED])
def test_only_offered_suites_are_set_up(labels: Labels) -> None:
    keys = GatewayKeys([gateway_key(aeads=(Aead.AES_128_GCM,))])
    offered = Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    assert keys.setup(labels, header(1, offered)).suite == offered
    for head in (
        header(1, Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_256_GCM)),
        header(1, Suite(Kem.P256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)),
        b"\x01\x00\x20\x00\x02\x00\x01",  # HKDF-SHA384
        b"\x01\xff\xff\xff\xff\xff\xff",
    ):
        with pytest.raises(SuiteNotOffered):
            keys.setup(labels, head)
    with pytest.raises(UnknownKey):
        keys.setup(labels, header(2, offered))


def test_no_keys() -> None:
    with pytest.raises(UnknownKey):
        GatewayKeys([]).setup(ONE_SHOT, bytes(7))


def test_mistakes() -> None:
    key = gateway_key()
    with pytest.raises(ValueError, match="same key id"):
        GatewayKeys([key, gateway_key(seed=2)])
    with pytest.raises(ValueError, match="does not belong"):
        GatewayKey(key.config, PrivateKey.generate(Kem.X25519))
    with pytest.raises(ValueError, match="no suite"):
        GatewayKey(KeyConfig(1, Kem.X25519, key.config.public_key, ((9, 9),)), key.private_key)


def test_repr_shows_no_key() -> None:
    assert repr(gateway_key()) == "<GatewayKey X25519>"
