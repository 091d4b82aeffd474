"""The ratchet: repeatable, one-way in its form, and with key ids that never meet among those that live."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ratchet import MAX_EPOCH, MAX_SUITES, Link, advance, gateway_key, key_id
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.crypto.hpke.kdf import SHA256

CHAIN = bytes(range(32))
LABEL = b"tacita gateway ratchet 1 "


def test_each_step_is_what_the_docstring_says() -> None:
    link = Link(20_000, CHAIN)
    epoch = (20_000).to_bytes(8, "big")
    assert link.following() == Link(20_001, SHA256.expand(CHAIN, LABEL + b"chain" + epoch, 32))
    for kem in (Kem.X25519, Kem.P256):
        material = SHA256.expand(CHAIN, LABEL + b"key" + epoch + kem.to_bytes(2, "big"), 32)
        assert link.private_key(kem) == PrivateKey.derive(kem, material)


def test_released_outputs_do_not_change() -> None:
    """Instances of two releases have to agree."""
    (link,) = advance(Link(7, CHAIN), 8)
    assert link.chain.hex() == "90b8454622f97c7461dd1bdd6f0923682acfa79beee3bdd01e03cab8e3840a10"
    assert link.private_key(Kem.X25519).public_key.to_bytes().hex() == (
        "cba94ec09aa6fe09c42618605aa6e0e31c34b2d1d85e2406652479cc3a674803"
    )


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
    secrets |= {link.private_key(kem).to_bytes() for link in links for kem in (Kem.X25519, Kem.P256)}
    assert len(secrets) == 3 * len(links)
    assert Link(6, CHAIN).following().chain != Link(5, CHAIN).following().chain, "the epoch is in it"


@given(st.integers(0, MAX_EPOCH), st.integers(1, MAX_SUITES))
def test_key_ids_of_three_epochs_differ(epoch: int, suites: int) -> None:
    ids = [key_id(each, suites, suite) for each in range(epoch, epoch + 3) for suite in range(suites)]
    assert len(set(ids)) == len(ids)
    assert all(0 <= each <= 255 for each in ids)
    assert ids[0] == epoch * suites % 256


def test_a_published_key_has_its_place_in_the_order() -> None:
    keys = Link(100, CHAIN).keys([Kem.P256, Kem.X25519])
    assert [(key.key_id, key.private_key.kem) for key in keys] == [(200, Kem.P256), (201, Kem.X25519)]
    published = gateway_key(keys[1])
    assert published.config.key_id == 201
    assert published.config.public_key == keys[1].private_key.public_key
    assert published.config.symmetric_algorithms == tuple((Kdf.HKDF_SHA256, aead) for aead in Aead)


def test_nothing_prints_a_chain() -> None:
    assert "chain" not in repr(Link(1, CHAIN))


@pytest.mark.parametrize(("epoch", "chain"), [(-1, CHAIN), (MAX_EPOCH + 1, CHAIN), (1, CHAIN[1:]), (1, b"")])
def test_what_is_no_link(epoch: int, chain: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Link(epoch, chain)
