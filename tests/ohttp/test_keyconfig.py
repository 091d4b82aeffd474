import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors
from support.ohttp_keys import gateway_key

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey, PublicKey
from tacita.errors import TacitaError
from tacita.ohttp import KeyConfig, keyconfig
from tacita.ohttp.errors import KeyListTooLong, MalformedKeyConfig, NoUsableKey, UnsupportedKem

KEYS = {kem: PrivateKey.derive(kem, b"\x02" * 64).public_key for kem in Kem}
CONFIG = gateway_key().config

configs = st.builds(
    lambda key_id, kem, algorithms: KeyConfig(key_id, kem, KEYS[kem], tuple(algorithms)),
    st.integers(0, 255),
    st.sampled_from(list(KEYS)),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), min_size=1, max_size=10),
)


def entry(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def unknown_kem(body: bytes = b"whatever follows") -> bytes:
    return entry(b"\x09\xfe\xfe" + body)


@given(config=configs)
def test_decode_is_the_inverse_of_encode(config: KeyConfig) -> None:
    assert keyconfig.decode(config.encode()) == config


@given(several=st.lists(configs, min_size=1, max_size=4))
def test_lists_too(several: list[KeyConfig]) -> None:
    assert list(keyconfig.decode_list(keyconfig.encode_list(several))) == several


@given(data=st.binary(max_size=300))
def test_garbage_is_canonical_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedKeyConfig, UnsupportedKem):
        assert keyconfig.decode(data).encode() == data
    with contextlib.suppress(MalformedKeyConfig):
        keyconfig.decode_list(data)


@given(config=configs, index=st.integers(min_value=0), byte=st.integers(0, 255))
def test_a_changed_byte_is_canonical_or_refused(config: KeyConfig, index: int, byte: int) -> None:
    data = bytearray(config.encode())
    data[index % len(data)] = byte
    with contextlib.suppress(TacitaError):
        assert keyconfig.decode(bytes(data)).encode() == data


@given(config=configs, data=st.data())
def test_cut_or_continued_is_refused(config: KeyConfig, data: st.DataObject) -> None:
    encoded = config.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    for wrong in (encoded[:cut], encoded + b"\0", encoded + encoded):
        with pytest.raises(MalformedKeyConfig):
            keyconfig.decode(wrong)
    with pytest.raises(MalformedKeyConfig):
        keyconfig.decode_list(entry(encoded)[: cut + 2])


def test_the_rfc_configuration() -> None:
    vector = vectors.own("rfc9458.json")
    data = bytes.fromhex(vector["gateway"]["key_config"])
    config = keyconfig.decode(data)
    assert config.encode() == data
    assert (config.key_id, config.kem) == (1, Kem.X25519)
    assert config.symmetric_algorithms == ((1, 1), (1, 3))
    assert [suite.aead for suite in config.suites] == [Aead.AES_128_GCM, Aead.CHACHA20_POLY1305]


@pytest.mark.parametrize("algorithms", [b"", b"\0\1", b"\0\1\0", b"\0\1\0\1\0", b"\0\1\0\1\0\1"])
def test_algorithms_are_one_or_more_pairs(algorithms: bytes) -> None:
    data = b"\x01\x00\x20" + KEYS[Kem.X25519].to_bytes() + entry(algorithms)
    with pytest.raises(MalformedKeyConfig):
        keyconfig.decode(data)


def test_unknown_and_repeated_algorithms_stay_and_are_not_offered() -> None:
    pairs = ((1, 3), (9, 9), (1, 0xFFFF), (1, 1), (1, 1))
    config = keyconfig.decode(KeyConfig(0, Kem.X25519, KEYS[Kem.X25519], pairs).encode())
    assert config.symmetric_algorithms == pairs
    assert [suite.aead for suite in config.suites] == [Aead.AES_128_GCM, Aead.CHACHA20_POLY1305]


def test_preference_does_not_follow_the_order_of_publication() -> None:
    orders = (tuple(Aead), tuple(reversed(Aead)))
    assert len({gateway_key(aeads=order).config.suites for order in orders}) == 1
    assert CONFIG.suites[0].aead is Aead.AES_128_GCM


def test_unknown_kems_are_skipped() -> None:
    known = entry(CONFIG.encode())
    assert keyconfig.decode_list(unknown_kem() + known + unknown_kem(b"")) == (CONFIG,)
    assert keyconfig.decode_list(unknown_kem()) == ()
    with pytest.raises(UnsupportedKem):
        keyconfig.decode(unknown_kem()[2:])


def test_one_malformed_entry_discards_the_list() -> None:
    known = entry(CONFIG.encode())
    not_a_point = b"\x01\x00\x10\x04" + bytes(64) + entry(b"\0\1\0\1")
    for wrong in (
        entry(b""),
        entry(b"\x01"),
        entry(b"\x01\xfe"),
        entry(CONFIG.encode() + b"\0"),
        entry(not_a_point),
        b"\0",
    ):
        for data in (known + wrong, wrong + known):
            with pytest.raises(MalformedKeyConfig):
                keyconfig.decode_list(data)


def test_empty_list() -> None:
    with pytest.raises(MalformedKeyConfig):
        keyconfig.decode_list(b"")
    with pytest.raises(ValueError, match="at least one"):
        keyconfig.encode_list([])


def test_lists_are_bounded() -> None:
    known = entry(CONFIG.encode())
    fits = keyconfig.MAX_LIST_SIZE // len(known)
    assert len(keyconfig.decode_list(known * fits)) == fits
    with pytest.raises(KeyListTooLong):
        keyconfig.decode_list(known * (fits + 1))


def test_select_takes_the_first_usable() -> None:
    useless = KeyConfig(7, Kem.X25519, KEYS[Kem.X25519], ((9, 9),))
    second = gateway_key(key_id=2).config
    assert useless.suites == ()
    assert keyconfig.select([useless, CONFIG, second]) is CONFIG
    for none in ([], [useless]):
        with pytest.raises(NoUsableKey):
            keyconfig.select(none)


@pytest.mark.parametrize(
    ("key_id", "kem", "algorithms"),
    [
        (-1, Kem.X25519, ((1, 1),)),
        (256, Kem.X25519, ((1, 1),)),
        (1, Kem.P256, ((1, 1),)),
        (1, Kem.X25519, ()),
    ],
)
def test_impossible_configurations_are_mistakes(
    key_id: int, kem: Kem, algorithms: tuple[tuple[int, int], ...]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        KeyConfig(key_id, kem, KEYS[Kem.X25519], algorithms)


def test_most_algorithms() -> None:
    most = ((int(Kdf.HKDF_SHA256), 1),) * 16_383
    config = KeyConfig(1, Kem.X25519, KEYS[Kem.X25519], most)
    assert keyconfig.decode(config.encode()) == config
    with pytest.raises(ValueError, match="16,383"):
        KeyConfig(1, Kem.X25519, KEYS[Kem.X25519], (*most, (1, 1)))


def test_lists_of_ohttp_go() -> None:
    read = 0
    for vector in vectors.shared("ohttp/interop-ohttp-go.json")["vectors"]:
        configs = keyconfig.decode_list(bytes.fromhex(vector["ohttp_keys_list"]))
        if int(vector["kem_id"], 16) not in KEYS:
            continue
        (config,) = configs
        assert config.encode().hex() == vector["key_config"]
        assert isinstance(config.public_key, PublicKey)
        read += 1
    assert read == 8
