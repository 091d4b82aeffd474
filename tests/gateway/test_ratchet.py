"""The ratchet: repeatable, one-way in its form, and with key ids that never meet among those that live."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.key_state import KEMS
from gateway.ratchet import MAX_EPOCH, SUITES, Link, advance, gateway_key, key_id
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.crypto.hpke.kdf import SHA256

CHAIN = bytes(range(32))
LABEL = b"tacita gateway ratchet 1 "


def test_each_step_is_what_the_docstring_says() -> None:
    link = Link(20_000, CHAIN)
    epoch = (20_000).to_bytes(8, "big")
    assert link.following() == Link(20_001, SHA256.expand(CHAIN, LABEL + b"chain" + epoch, 32))
    for kem in Kem:
        material = SHA256.expand(CHAIN, LABEL + b"key" + epoch + kem.to_bytes(2, "big"), 32)
        assert link.private_key(kem) == PrivateKey.derive(kem, material)


def test_released_outputs_do_not_change() -> None:
    """Instances of two releases have to agree."""
    (link,) = advance(Link(7, CHAIN), 8)
    assert link.chain.hex() == "90b8454622f97c7461dd1bdd6f0923682acfa79beee3bdd01e03cab8e3840a10"
    assert link.private_key(Kem.X25519).public_key.to_bytes().hex() == (
        "cba94ec09aa6fe09c42618605aa6e0e31c34b2d1d85e2406652479cc3a674803"
    )
    assert sha256(link.private_key(Kem.XWING).public_key.to_bytes()).hexdigest() == (
        "ed976bd9ad867419f94110bd72abe2a89411df97737e1ed9b0e6256f8ed2f786"
    )
    assert [key_id(8, kem) for kem in (Kem.X25519, Kem.P256, Kem.XWING)] == [64, 65, 66]


@given(st.binary(min_size=32, max_size=32), st.integers(0, MAX_EPOCH - 20), st.integers(0, 20))
def test_it_does_not_matter_in_how_many_steps_it_is_advanced(chain: bytes, epoch: int, ahead: int) -> None:
    link = Link(epoch, chain)
    stepped = link
    for _ in range(ahead):
        stepped = stepped.following()
    assert [link, *advance(link, epoch + ahead)][-1] == stepped
    assert list(advance(stepped, epoch)) == []


def test_no_two_outputs_are_alike() -> None:
    links = [Link(5, CHAIN), *advance(Link(5, CHAIN), 50)]
    secrets = {link.chain for link in links}
    secrets |= {link.private_key(kem).to_bytes() for link in links for kem in Kem}
    assert len(secrets) == (1 + len(Kem)) * len(links)
    assert Link(6, CHAIN).following().chain != Link(5, CHAIN).following().chain, "the epoch is in it"


@given(st.integers(0, MAX_EPOCH))
def test_an_id_comes_again_after_32_epochs_and_no_sooner(epoch: int) -> None:
    ids = [key_id(each, kem) for each in range(epoch, epoch + 32) for kem in Kem]
    assert len(set(ids)) == len(ids)
    assert all(0 <= each <= 255 for each in ids)
    assert key_id(epoch, Kem.X25519) == epoch * SUITES % 256 == key_id(epoch + 32, Kem.X25519)


def test_every_kem_has_a_place_and_a_name() -> None:
    assert len({key_id(0, kem) for kem in Kem}) == len(Kem) == len(set(KEMS.values())) <= SUITES


@given(st.permutations(list(Kem)), st.integers(1, len(Kem)))
def test_key_and_id_of_a_kem_do_not_depend_on_the_others(order: list[Kem], count: int) -> None:
    everything = {key.private_key.kem: key for key in Link(100, CHAIN).keys(list(Kem))}
    kems = order[:count]
    assert Link(100, CHAIN).keys(kems) == tuple(everything[kem] for kem in kems)


def test_a_key_is_published_with_its_id() -> None:
    keys = Link(100, CHAIN).keys([Kem.P256, Kem.X25519])
    assert [(key.key_id, key.private_key.kem) for key in keys] == [(33, Kem.P256), (32, Kem.X25519)]
    published = gateway_key(keys[0])
    assert published.config.key_id == 33
    assert published.config.public_key == keys[0].private_key.public_key
    assert published.config.symmetric_algorithms == tuple((Kdf.HKDF_SHA256, aead) for aead in Aead)


def test_nothing_prints_a_chain() -> None:
    assert "chain" not in repr(Link(1, CHAIN))


@pytest.mark.parametrize(("epoch", "chain"), [(-1, CHAIN), (MAX_EPOCH + 1, CHAIN), (1, CHAIN[1:]), (1, b"")])
def test_what_is_no_link(epoch: int, chain: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Link(epoch, chain)
