"""A key id never stands for two keys within a grace, whatever KEMs are offered and when that changes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.key_instances import DAY, GRACE, MIDNIGHT, Instance

from gateway.key_state import KEMS
from tacita.crypto.hpke import Aead, Kdf, Suite
from tacita.ohttp import GatewayKeys, oneshot
from tacita.ohttp.errors import SuiteNotOffered, UnknownKey
from tacita.ohttp.exchange import CHUNKED, ONE_SHOT, header

KEM_LISTS = st.lists(st.sampled_from(sorted(KEMS)), min_size=1, unique=True).map(tuple)
FORGOTTEN = 20
"""Epochs after which an id may come again."""


class Ids:
    """Which key each id was last seen to stand for, and until which epoch."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, int]] = {}

    def see(self, keys: GatewayKeys, epoch: int) -> None:
        for key in keys:
            public = key.config.public_key.to_bytes()
            other, last = self._seen.get(key.config.key_id, (public, epoch))
            assert other == public or epoch - last > FORGOTTEN
            self._seen[key.config.key_id] = public, epoch


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            KEM_LISTS, st.sampled_from((0, 1, GRACE - 1, GRACE, DAY // 2, DAY - GRACE, DAY)), st.booleans()
        ),
        min_size=1,
        max_size=40,
    )
)
def test_no_id_stands_for_two_keys(changes: list[tuple[tuple[str, ...], int, bool]]) -> None:
    with TemporaryDirectory() as folder:
        one, seen = Instance(Path(folder) / "one"), Ids()
        one.turn()
        one.at(MIDNIGHT)
        for kems, seconds, replaced in changes:
            if replaced:
                one.kems = kems
                one.restart()
            one.at(one.clock.now + seconds)
            shown = one.keyring.shown
            seen.see(shown.keys, shown.epoch)
            assert len({key.config.key_id for key in shown.keys}) == len(shown.keys)
            assert [config.kem for config in shown.published] == 2 * [KEMS[name] for name in one.kems]


@pytest.mark.parametrize("labels", [ONE_SHOT, CHUNKED])
def test_only_what_is_advertised_is_taken(tmp_path: Path, labels: object) -> None:
    one = Instance(tmp_path / "one", kems=("xwing", "x25519"))
    one.turn()
    keys = one.keyring.shown.keys
    for config in one.published:
        for kem in KEMS.values():
            for kdf in Kdf:
                for aead in Aead:
                    head = header(config.key_id, Suite(kem, kdf, aead))
                    if kem is config.kem and kdf is Kdf.HKDF_SHA256:
                        assert keys.setup(labels, head).suite.kem is kem  # type: ignore[arg-type]
                    else:
                        with pytest.raises(SuiteNotOffered):
                            keys.setup(labels, head)  # type: ignore[arg-type]


def test_each_kem_is_taken_before_and_after_a_boundary(tmp_path: Path) -> None:
    one = Instance(tmp_path / "one", kems=("xwing", "x25519", "p256"))
    one.turn()
    sealed = [oneshot.encapsulate_request(config, b"request")[0] for config in one.published[:3]]
    assert len({len(message) for message in sealed}) == 3, "what a KEM adds is the same for all messages"
    assert len(sealed[0]) - len(sealed[1]) == 1_088
    for now in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + GRACE - 1):
        one.at(now)
        one.restart()
        one.turn()
        for message in sealed:
            assert oneshot.decapsulate_request(one.keyring.shown.keys, message)[0] == b"request"
    one.at(MIDNIGHT + GRACE)
    for message in sealed:
        with pytest.raises(UnknownKey):
            oneshot.decapsulate_request(one.keyring.shown.keys, message)


def test_the_grace_ends_without_a_turn(tmp_path: Path) -> None:
    """A folder that hangs keeps nobody's keys alive."""
    one = Instance(tmp_path / "one", kems=("xwing",))
    one.turn()
    (old,) = one.published[:1]
    one.at(MIDNIGHT)
    assert one.takes(old)
    before = one.published
    one.clock.now = MIDNIGHT + GRACE
    assert not one.takes(old)
    assert one.published is before, "what was published is the very same"
