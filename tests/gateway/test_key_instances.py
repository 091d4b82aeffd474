"""Keys of several instances: agreement without a word, seeds, and what an operator does to a chain."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks import Clock
from support.key_instances import DAY, EPOCH, GRACE, MIDNIGHT, NOON, Instance

from gateway.config import KeysConfig
from gateway.key_state import KeyState, StateFile
from gateway.keys import Keyring, Turned
from gateway.ratchet import CHAIN_SIZE, Link
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import ConfigError


@pytest.fixture
def one(tmp_path: Path) -> Instance:
    return Instance(tmp_path / "one")


# Several instances


@settings(max_examples=40, deadline=None)
@given(
    starts=st.lists(st.floats(0, DAY - 1), min_size=2, max_size=2),
    steps=st.lists(st.tuples(st.integers(0, 1), st.floats(0, DAY), st.booleans()), min_size=1, max_size=25),
)
def test_two_instances_from_one_seed_agree_for_ever(
    starts: list[float], steps: list[tuple[int, float, bool]]
) -> None:
    """Each turns when it likes, as long as it does once a period, and is restarted now and then."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        source = Instance(root / "source")
        source.turn()
        both = []
        for number, after in enumerate(starts):
            seed = source.export(root / f"seed-{number}")
            both.append(Instance(root / f"{number}", Clock(NOON + after), seed=seed))
            assert both[-1].turn().taken
            assert not seed.exists()
        for which, seconds, restart in steps:
            instance = both[which]
            if restart:
                instance.restart()
            instance.at(instance.clock.now + seconds)
        last = max(instance.clock.now for instance in both)
        for instance in both:
            while instance.clock.now < last:
                instance.at(min(last, instance.clock.now + DAY))
            instance.turn()
        first, second = both
        assert first.published == second.published
        assert first.state.link == second.state.link
        assert all(first.takes(config) for config in second.published)


def test_instances_whose_clocks_differ_take_each_others_keys(tmp_path: Path) -> None:
    fast, slow = Instance(tmp_path / "fast"), Instance(tmp_path / "slow")
    fast.turn()
    slow.seed = fast.export(tmp_path / "seed")
    slow.restart()
    slow.turn()
    fast.at(MIDNIGHT + 1)
    slow.at(MIDNIGHT - 1)
    assert fast.published[:2] == slow.published[2:]
    # Clients take the first that they can use.
    assert all(fast.takes(config) for config in slow.published)
    assert all(slow.takes(config) for config in fast.published[:2])


def test_an_export_within_the_grace_brings_the_old_keys_along(tmp_path: Path, one: Instance) -> None:
    one.turn()
    old = one.published[0]
    one.at(MIDNIGHT + 1)
    other = Instance(tmp_path / "other", Clock(MIDNIGHT + 2), seed=one.export(tmp_path / "seed"))
    other.turn()
    assert other.takes(old)
    assert other.state == one.state


# Seeds


def test_a_seed_is_destroyed_though_a_crash_came_between(tmp_path: Path, one: Instance) -> None:
    one.turn()
    seed = one.export(tmp_path / "seed")
    one.at(MIDNIGHT)
    one.seed = seed
    one.restart()
    assert not one.turn().taken
    assert not seed.exists()


def test_a_seed_that_cannot_be_destroyed_stops_the_start(tmp_path: Path, one: Instance) -> None:
    one.turn()
    # There is no room for the name under which it would be overwritten. (A mount that is read-only
    # fails alike, but not for who runs tests as root.)
    seed = one.export(tmp_path / ("s" * 250))
    other = Instance(tmp_path / "other", seed=seed)
    for _ in range(2):
        with pytest.raises(ConfigError, match="taken but cannot be destroyed"):
            other.turn()
    seed.unlink()
    other.turn()
    assert other.state == one.state


def test_a_seed_for_another_chain_is_not_taken_silently(tmp_path: Path, one: Instance) -> None:
    one.turn()
    other = Instance(tmp_path / "other")
    other.turn()
    one.seed = other.export(tmp_path / "seed")
    one.restart()
    before = one.state
    with pytest.raises(ConfigError, match="has another chain than the seed"):
        one.turn()
    assert one.seed.exists()
    assert one.state == before


def test_without_state_and_seed_no_chain_is_begun_where_one_was_promised(tmp_path: Path) -> None:
    one = Instance(tmp_path / "one", seed=tmp_path / "seed")
    with pytest.raises(ConfigError, match="missing and so is its seed"):
        one.turn()
    assert list(one.folder.iterdir()) == []


@pytest.mark.parametrize(("now", "error"), [(NOON + 2 * DAY, ClockAhead), (NOON - DAY, ClockSetBack)])
def test_a_seed_of_another_time_is_refused_and_kept(
    tmp_path: Path, one: Instance, now: float, error: type[Exception]
) -> None:
    one.turn()
    seed = one.export(tmp_path / "seed")
    late = Instance(tmp_path / "late", Clock(now), seed=seed)
    with pytest.raises(error):
        late.turn()
    assert seed.exists()
    assert list(late.folder.iterdir()) == []


def test_a_seed_that_others_can_read_is_refused(tmp_path: Path, one: Instance) -> None:
    one.turn()
    seed = one.export(tmp_path / "seed")
    seed.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Instance(tmp_path / "other", seed=seed).turn()


def test_another_period_is_refused(tmp_path: Path, one: Instance) -> None:
    one.turn()
    seed = one.export(tmp_path / "seed")
    one.period = 2 * DAY
    one.restart()
    for change in (one.turn, one.keyring.replace):
        with pytest.raises(ConfigError, match="another period_seconds"):
            change()
    with pytest.raises(ConfigError, match="another period_seconds"):
        Instance(tmp_path / "other", seed=seed, period=2 * DAY).turn()


def test_a_file_that_fell_behind_goes_on_from_where_the_others_are(tmp_path: Path, one: Instance) -> None:
    late, imported = Instance(tmp_path / "late"), Instance(tmp_path / "imported")
    one.turn()
    for other in (late, imported):
        other.keyring.take(one.export(tmp_path / "seed"))
    for day in range(5):
        one.at(MIDNIGHT + day * DAY)
    for other in (late, imported):
        other.clock.now = one.clock.now
        other.restart()
        with pytest.raises(ClockAhead):
            other.turn()
    assert imported.keyring.take(one.export(tmp_path / "seed")).taken, "it is no other chain"
    late.seed = one.export(tmp_path / "seed")
    late.restart()
    assert late.turn().taken
    assert not late.seed.exists()
    assert late.state == imported.state == one.state


def test_the_state_file_is_no_seed(tmp_path: Path, one: Instance) -> None:
    one.turn()
    before = one.state
    own = one.folder / "chain.key"
    linked = tmp_path / "linked"
    linked.symlink_to(own)
    for seed in (own, linked):
        with pytest.raises(ConfigError, match="is the state file itself"):
            one.keyring.take(seed)
    one.seed = linked
    one.restart()
    with pytest.raises(ConfigError, match="is the state file itself"):
        one.turn()
    assert one.state == before


def test_what_a_crash_left_of_a_seed_is_destroyed(tmp_path: Path, one: Instance) -> None:
    one.turn()
    left, other = tmp_path / ".seed.0123456789abcdef.dead", tmp_path / ".seed.0123456789abcdef.new"
    again = tmp_path / "..seed.0123456789abcdef.dead.0123456789abcdef.dead"
    one.seed = tmp_path / "seed"
    one.restart()
    for path in (left, again, other):
        one.export(path)
    one.turn()
    assert not left.exists()
    assert not again.exists()
    assert other.exists(), "an export that is under way"
    one.export(left)
    one.seed = None
    one.restart()
    one.keyring.take(one.export(tmp_path / "seed"))
    assert not left.exists()
    assert not (tmp_path / "seed").exists()


# What an operator does


def test_another_chain_replaces_the_one_that_was_stolen(one: Instance) -> None:
    one.turn()
    stolen = one.state.link
    one.at(MIDNIGHT)
    old = one.published
    command = Instance(one.folder, one.clock)
    assert command.keyring.replace() == Turned(EPOCH + 1, begun=True, changed=True)
    assert one.turn().changed, "a running gateway notices"
    assert one.published == command.published
    assert not set(one.published) & set(old)
    assert one.state.retired is None
    assert one.state.link != stolen.following()


def test_replacing_is_refused_on_a_clock_that_was_set_back(one: Instance) -> None:
    one.turn()
    one.clock.now = NOON - DAY
    one.restart()
    with pytest.raises(ClockSetBack):
        one.keyring.replace()


def test_an_import_takes_the_chain_and_destroys_the_file(tmp_path: Path, one: Instance) -> None:
    one.turn()
    seed = one.export(tmp_path / "seed")
    other = Instance(tmp_path / "other", Clock(MIDNIGHT + GRACE))
    assert other.keyring.take(seed) == Turned(EPOCH + 1, taken=True, steps=1, changed=True)
    one.at(MIDNIGHT + GRACE)
    assert other.state == one.state
    assert not seed.exists()


def test_an_import_over_another_chain_wants_to_be_meant(tmp_path: Path, one: Instance) -> None:
    one.turn()
    other = Instance(tmp_path / "other")
    other.turn()
    seed = one.export(tmp_path / "seed")
    with pytest.raises(ConfigError, match="give --replace"):
        other.keyring.take(seed)
    assert seed.exists()
    other.keyring.take(seed, replace=True)
    assert other.published == one.published
    other.at(MIDNIGHT)
    other.keyring.take(one.export(seed)), "its own, from before, is no other"
    assert other.state.link == one.state.link.following()
    assert not seed.exists()


def test_randomness_comes_from_outside(tmp_path: Path) -> None:
    config = KeysConfig(state=tmp_path / "chain.key")
    keyring = Keyring(config, clock=Clock(NOON), uptime=lambda: 0.0, random=bytes)
    keyring.turn()
    state = StateFile(config.state).read()
    assert state == KeyState(DAY, Link(EPOCH, bytes(CHAIN_SIZE)))
    assert config.state.stat().st_mode & 0o077 == 0
