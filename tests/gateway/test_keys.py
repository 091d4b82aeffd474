"""Keys that turn over by a simulated clock: agreement without a word, grace, erasure, and clocks that lie."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks import Clock

from gateway.config import KeysConfig
from gateway.key_state import KeyState, StateFile
from gateway.keys import Keyring, Turned
from gateway.ratchet import CHAIN_SIZE, Link
from tacita.crypto.hpke import Kem
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import ConfigError
from tacita.ohttp import KeyConfig, oneshot
from tacita.ohttp.errors import UnknownKey

DAY = 86_400
EPOCH = 20_781
NOON = EPOCH * DAY + DAY // 2
MIDNIGHT = (EPOCH + 1) * DAY
GRACE = 600


@dataclass
class Instance:
    """One gateway's keys, with a clock of its own. Time passes as the clock is moved, unless it leaps."""

    folder: Path
    clock: Clock = field(default_factory=lambda: Clock(NOON))
    seed: Path | None = None
    kems: tuple[str, ...] = ("x25519", "p256")
    period: int = DAY
    grace: int = GRACE
    leapt: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        self.keyring = Keyring(
            self.config,
            clock=self.clock,
            uptime=lambda: self.clock.now - self.leapt,
        )

    @property
    def config(self) -> KeysConfig:
        return KeysConfig(
            state=self.folder / "chain.key",
            seed=self.seed,
            period_seconds=self.period,
            grace_seconds=self.grace,
            kems=self.kems,  # type: ignore[arg-type]
        )

    def turn(self, *, accept_gap: bool = False) -> Turned:
        return self.keyring.turn(accept_gap=accept_gap)

    def at(self, now: float) -> Turned:
        self.clock.now = now
        return self.turn()

    def leap(self, seconds: float) -> None:
        self.clock.now += seconds
        self.leapt += seconds

    @property
    def state(self) -> KeyState:
        state = StateFile(self.folder / "chain.key").read()
        assert state is not None
        return state

    @property
    def published(self) -> tuple[KeyConfig, ...]:
        return self.keyring.shown.published

    @property
    def ids(self) -> list[int]:
        return [config.key_id for config in self.published]

    def takes(self, config: KeyConfig) -> bool:
        """Say whether a request that is sealed to `config` is opened."""
        message, _ = oneshot.encapsulate_request(config, b"request")
        try:
            return oneshot.decapsulate_request(self.keyring.shown.keys, message)[0] == b"request"
        except UnknownKey:
            return False

    def export(self, path: Path) -> Path:
        path.write_bytes((self.folder / "chain.key").read_bytes())
        path.chmod(0o600)
        return path


@pytest.fixture
def one(tmp_path: Path) -> Instance:
    return Instance(tmp_path / "one")


# One instance through its epochs


def test_the_first_start_begins_a_chain_and_a_restart_goes_on_with_it(one: Instance) -> None:
    assert one.turn() == Turned(EPOCH, begun=True, changed=True)
    first = one.published
    assert one.turn() == Turned(EPOCH)
    one.restart()
    assert one.turn() == Turned(EPOCH, changed=True)
    assert one.published == first


def test_next_is_listed_after_current_and_taken_from_the_moment_it_is_published(one: Instance) -> None:
    one.turn()
    kems = [config.kem for config in one.published]
    assert kems == [Kem.X25519, Kem.P256, Kem.X25519, Kem.P256]
    assert one.ids == [number % 256 for number in range(2 * EPOCH, 2 * EPOCH + 4)]
    assert all(one.takes(config) for config in one.published)
    assert one.keyring.shown.until == MIDNIGHT


def test_at_the_boundary_next_becomes_current_and_the_old_stays_for_the_grace(one: Instance) -> None:
    one.turn()
    old, following = one.published[:2], one.published[2:]
    one.at(MIDNIGHT - 0.001)
    assert one.published == (*old, *following)
    assert one.at(MIDNIGHT) == Turned(EPOCH + 1, steps=1, changed=True)
    assert one.published[:2] == following
    assert all(one.takes(config) for config in (*old, *one.published))
    assert not set(old) & set(one.published)
    one.at(MIDNIGHT + GRACE - 0.001)
    assert all(one.takes(config) for config in old)
    assert one.at(MIDNIGHT + GRACE) == Turned(EPOCH + 1, erased=True, changed=True)
    assert not any(one.takes(config) for config in old)
    assert all(one.takes(config) for config in one.published)


def test_the_state_holds_no_secret_of_the_past_but_for_the_grace(one: Instance) -> None:
    one.turn()
    chain = one.state.link
    one.at(MIDNIGHT)
    assert one.state.link == chain.following()
    assert one.state.retired is not None
    assert one.state.retired.keys == chain.keys([Kem.X25519, Kem.P256])
    assert one.state.retired.until == MIDNIGHT + GRACE
    one.at(MIDNIGHT + GRACE)
    assert one.state == KeyState(DAY, chain.following())
    assert [path.name for path in one.folder.iterdir()] == ["chain.key"]


def test_a_restart_within_the_grace_still_takes_the_old_keys(one: Instance) -> None:
    one.turn()
    old = one.published[0]
    one.at(MIDNIGHT + 1)
    one.restart()
    one.turn()
    assert one.takes(old)
    one.clock.now = MIDNIGHT + GRACE
    one.restart()
    one.turn()
    assert not one.takes(old)
    assert one.state.retired is None


def test_a_start_after_the_grace_keeps_nothing_of_the_epoch_before(one: Instance) -> None:
    one.turn()
    one.clock.now = MIDNIGHT + GRACE
    one.restart()
    one.turn()
    assert one.state.retired is None


def test_a_shorter_grace_counts_at_once(one: Instance) -> None:
    one.turn()
    one.at(MIDNIGHT + 100)
    one.grace = 50
    one.restart()
    assert one.turn().erased
    assert one.state.retired is None


def test_old_keys_are_forgotten_in_time_though_the_file_is_gone(one: Instance) -> None:
    one.turn()
    old = one.published[0]
    one.at(MIDNIGHT)
    (one.folder / "chain.key").unlink()
    one.clock.now = MIDNIGHT + GRACE
    with pytest.raises(ConfigError, match="was lost; bring it back"):
        one.turn()
    assert not one.takes(old)
    assert all(one.takes(config) for config in one.published)
    assert not (one.folder / "chain.key").exists(), "no other chain is begun while it runs"


def test_it_wakes_at_the_boundary_and_at_the_end_of_the_grace(one: Instance) -> None:
    one.turn()
    assert one.keyring.wait() == 1.0
    one.clock.now = MIDNIGHT - 0.25
    assert one.keyring.wait() == 0.25
    one.at(MIDNIGHT)
    one.clock.now = MIDNIGHT + GRACE - 0.125
    assert one.keyring.wait() == 0.125
    one.at(MIDNIGHT + GRACE)
    assert one.keyring.wait() == 1.0


def test_other_kems_keep_what_does_not_collide(one: Instance) -> None:
    one.turn()
    one.kems = ("p256",)
    one.restart()
    one.turn()
    assert [config.kem for config in one.published] == [Kem.P256, Kem.P256]
    assert one.ids == [EPOCH % 256, (EPOCH + 1) % 256]


# Clocks


def test_a_clock_ahead_by_more_than_a_period_is_fatal_before_anything_is_erased(one: Instance) -> None:
    one.turn()
    before = (one.folder / "chain.key").read_bytes()
    for running in (True, False):
        if not running:
            one.restart()
        with pytest.raises(ClockAhead, match="rotate --accept-gap"):
            one.at(MIDNIGHT + DAY)
        assert (one.folder / "chain.key").read_bytes() == before
    assert one.at(MIDNIGHT + DAY - 1).steps == 1


def test_a_gap_is_accepted_on_demand_and_ends_at_the_same_chain(one: Instance) -> None:
    one.turn()
    link = one.state.link
    one.clock.now = MIDNIGHT + 9 * DAY
    one.restart()
    assert one.turn(accept_gap=True).steps == 10
    for _ in range(9):
        link = link.following()
    assert one.state.link == link.following()
    assert one.state.retired is not None
    assert one.state.retired.keys == link.keys([Kem.X25519, Kem.P256])


def test_a_clock_that_is_set_ahead_again_and_again_does_not_turn_the_ratchet(one: Instance) -> None:
    one.turn()
    one.leap(DAY)
    assert one.turn().steps == 1, "once it cannot be told from the passing of time"
    before = one.state
    one.leap(DAY)
    with pytest.raises(ClockAhead, match="the time that has passed"):
        one.turn()
    assert one.state == before


def test_a_clock_set_back_is_fatal(one: Instance) -> None:
    one.turn()
    one.at(MIDNIGHT)
    before = one.state
    assert one.at(MIDNIGHT - 5).epoch == EPOCH + 1, "a few seconds are a clock that is being disciplined"
    for _ in range(2):
        with pytest.raises(ClockSetBack, match="set it right"):
            one.at(MIDNIGHT - 5.001)
        one.restart()
    assert one.state == before


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
