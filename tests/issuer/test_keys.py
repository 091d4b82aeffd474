"""The keys of an issuer by a clock that the tests hold."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.errors import KeysUnavailable
from issuer.key_folder import Contents, KeyFolder, KeyName
from issuer.key_types import KEY_TYPES, KeyType, types_named
from issuer.keys import IssuerKeys, LiveKeys, NoKeys, fixed
from tacita.crypto.keyring import ClockAhead, ClockSetBack, Phase, Schedule
from tacita.errors import ConfigError, TacitaError
from tacita.privacypass.issuing import IssuingKeys
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255
from tacita.service.keyfiles import write_secret

PERIOD = 1000
SCHEDULE = Schedule(PERIOD)
FAST = ("voprf-ristretto255",)
"""Keys that cost nothing; what holds for one type holds for all."""


class Clock:
    """A clock at `now` UNIX seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Machine:
    """One process: its own clock and memory, and the folder of all."""

    def __init__(
        self,
        path: Path,
        now: float,
        names: Sequence[str] = FAST,
        *,
        prepare: bool = True,
        random: float = 0.5,
    ) -> None:
        self.clock = Clock(now)
        self.folder = KeyFolder(path)
        self.keys = IssuerKeys(
            self.folder, types_named(names), SCHEDULE, prepare=prepare, clock=self.clock, rng=lambda: random
        )

    def turn_at(self, now: float) -> None:
        self.clock.now = now
        self.keys.turn()

    def shown(self) -> list[tuple[int, int, bytes, int, bool]]:
        return [
            (key.token_type, key.not_before // PERIOD, key.key_id, key.truncated_key_id, key.may_issue)
            for key in self.keys.present().issuing
        ]

    def epochs(self) -> list[int]:
        return sorted(name.epoch for name in self.folder.look().keys)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def begun(path: Path) -> Machine:
    machine = Machine(path, 5000)
    machine.keys.turn()
    return machine


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def put(path: Path, epoch: int, content: bytes, *, kind: str = FAST[0], period: int = PERIOD) -> KeyName:
    path.mkdir(exist_ok=True)
    name = KeyName(epoch, kind, period)
    write_secret(path / name.file, content)
    return name


def key_with(truncated: int, kind: KeyType = KEY_TYPES[FAST[0]]) -> bytes:
    while True:
        content = kind.generate()
        if kind.load(content).public_key.key_id[-1] == truncated:
            return content


def test_an_empty_folder_gets_the_key_that_issues_and_the_next(begun: Machine) -> None:
    assert [(epoch, issues) for _, epoch, _, _, issues in begun.shown()] == [(6, False), (5, True)]
    assert begun.epochs() == [5, 6]
    assert begun.keys.present().until == 6000


def test_a_key_goes_through_its_life(path: Path) -> None:
    machine = Machine(path, 4000)
    machine.keys.turn()
    seen: dict[int, list[Phase]] = {}
    for now in range(4000, 9000, 250):
        machine.turn_at(now)
        for _, epoch, _, _, issues in machine.shown():
            phase = SCHEDULE.phase(epoch, now)
            assert issues == (phase is Phase.ISSUING)
            seen.setdefault(epoch, []).append(phase)
        assert all(epoch >= SCHEDULE.epoch(now) - 1 for epoch in machine.epochs())
    assert seen[6] == [Phase.PUBLISHED] * 4 + [Phase.ISSUING] * 4 + [Phase.REDEEMABLE] * 4
    assert 6 not in machine.epochs()


def test_the_order_is_newest_first_and_the_redeemable_last(begun: Machine) -> None:
    begun.turn_at(6000)
    assert [epoch for _, epoch, _, _, _ in begun.shown()] == [7, 6, 5]


def test_keys_turn_over_by_the_clock_before_anybody_looks_at_the_folder(begun: Machine) -> None:
    begun.turn_at(5800)
    shutil.rmtree(begun.folder.path)
    begun.clock.now = 5999.9
    assert [epoch for _, epoch, _, _, issues in begun.shown() if issues] == [5]
    begun.clock.now = 6000
    assert [(epoch, issues) for _, epoch, _, _, issues in begun.shown()] == [
        (7, False),
        (6, True),
        (5, False),
    ]
    begun.clock.now = 7000
    with pytest.raises(KeysUnavailable):
        begun.keys.present()


def test_a_key_is_made_an_epoch_before_it_is_shown_at_a_random_moment_of_the_first_half(path: Path) -> None:
    machine = Machine(path, 5000, random=0.999)
    machine.keys.turn()
    machine.turn_at(5499)
    assert machine.epochs() == [5, 6]
    machine.turn_at(5500)
    assert machine.epochs() == [5, 6, 7]
    assert [epoch for _, epoch, _, _, _ in machine.shown()] == [6, 5]


def test_nothing_is_made_ahead_where_that_is_not_wanted(path: Path) -> None:
    machine = Machine(path, 5999, prepare=False)
    machine.keys.turn()
    assert machine.epochs() == [5, 6]


@pytest.mark.parametrize(
    ("now", "random", "wait"),
    [(5000.5, 0.9, 1.0), (5999.75, 0.0, 0.25), (5000, 0.001, 0.5), (6000 - 1e-9, 0.0, 0.001)],
)
def test_the_next_turn_is_at_the_boundary_or_when_a_key_is_due_or_soon(
    path: Path, now: float, random: float, wait: float
) -> None:
    machine = Machine(path, now, random=random)
    machine.keys.turn()
    assert machine.keys.wait() == pytest.approx(wait)


def test_several_machines_show_the_same(path: Path) -> None:
    machines = [Machine(path, 5000, random=number / 4) for number in range(4)]
    for now in range(5000, 9000, 100):
        for machine in machines:
            machine.turn_at(now)
        assert all(machine.shown() == machines[0].shown() for machine in machines)
    # A new one, too.
    fresh = Machine(path, 8900)
    fresh.keys.turn()
    assert fresh.shown() == machines[0].shown()


def test_many_that_start_at_once_end_with_the_same_keys(path: Path) -> None:
    names = ("blind-rsa", "voprf-p384", "voprf-ristretto255")
    machines = [Machine(path, 5000, names) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda machine: machine.keys.turn(), machines))
    assert all(machine.shown() == machines[0].shown() for machine in machines)
    assert [kind for kind, *_ in machines[0].shown()] == [1, 2, 5, 1, 2, 5]


def test_a_clock_that_is_a_little_behind_follows_the_folder(path: Path) -> None:
    ahead, behind = Machine(path, 5999), Machine(path, 5999)
    ahead.keys.turn()
    behind.keys.turn()
    ahead.turn_at(6001)
    behind.turn_at(5998)
    assert behind.shown() == ahead.shown()
    behind.clock.now = 5990
    with pytest.raises(KeysUnavailable):
        behind.keys.present()


def test_a_clock_set_back_is_refused_and_nothing_changes(begun: Machine) -> None:
    begun.turn_at(6500)
    before = names(begun.folder.path)
    for machine in (begun, Machine(begun.folder.path, 0)):
        with pytest.raises(ClockSetBack, match="set it right"):
            machine.turn_at(5900)
    assert names(begun.folder.path) == before


def test_a_clock_set_back_is_seen_without_the_record(begun: Machine) -> None:
    begun.turn_at(6500)
    for record in begun.folder.path.glob("epoch.*"):
        record.unlink()
    with pytest.raises(ClockSetBack):
        Machine(begun.folder.path, 4999 - 10).keys.turn()


def test_a_clock_ahead_is_refused_before_anything_is_destroyed(begun: Machine) -> None:
    before = names(begun.folder.path)
    for machine in (begun, Machine(begun.folder.path, 0)):
        with pytest.raises(ClockAhead, match="--accept-gap"):
            machine.turn_at(7000)
    assert names(begun.folder.path) == before


def test_a_gap_that_is_accepted_begins_anew(begun: Machine) -> None:
    later = Machine(begun.folder.path, 9500, prepare=False)
    turned = later.keys.turn(accept_gap=True)
    assert [name.epoch for name in turned.made] == [9, 10]
    assert [name.epoch for name in turned.destroyed] == [5, 6]
    assert later.epochs() == [9, 10]
    Machine(begun.folder.path, 9600).keys.turn()


def test_a_pause_of_less_than_a_period_is_none(begun: Machine) -> None:
    later = Machine(begun.folder.path, 6999, prepare=False)
    turned = later.keys.turn()
    assert ([name.epoch for name in turned.made], turned.destroyed) == ([7], ())


def test_an_empty_folder_is_left_alone_where_that_is_wanted(path: Path) -> None:
    with pytest.raises(NoKeys, match="tacita keys rotate"):
        Machine(path, 5000).keys.turn(may_begin=False)
    assert not path.exists()


def test_a_running_process_does_not_begin_anew_where_its_folder_is_gone(begun: Machine) -> None:
    shutil.rmtree(begun.folder.path)
    with pytest.raises(ConfigError, match="lost all its keys"):
        begun.keys.turn()
    assert begun.shown()


def test_a_key_that_somebody_removed_is_made_again(begun: Machine) -> None:
    before = begun.shown()
    begun.folder.destroy(KeyName(5, FAST[0], PERIOD))
    begun.keys.turn()
    after = begun.shown()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_replaced_keys_are_shown_by_all_and_have_no_old_truncated_id(begun: Machine) -> None:
    begun.turn_at(6100)
    begun.turn_at(6900)
    other, operator = Machine(begun.folder.path, 6900), Machine(begun.folder.path, 6900, prepare=False)
    other.keys.turn()
    before = begun.shown()
    turned = operator.keys.replace()
    assert [name.epoch for name in turned.made] == [6, 7, 8]
    assert [name.epoch for name in turned.destroyed] == [5, 6, 7, 8]
    begun.keys.turn()
    other.keys.turn()
    assert begun.shown() == other.shown() == operator.shown()
    assert [epoch for _, epoch, *_ in begun.shown()] == [7, 6]
    assert not {key[2] for key in before} & {key[2] for key in begun.shown()}
    assert not {key[3] for key in before} & {key[3] for key in begun.shown()}


def test_another_period_is_refused(begun: Machine) -> None:
    other = IssuerKeys(begun.folder, types_named(FAST), Schedule(PERIOD + 1), clock=lambda: 5000.0)
    with pytest.raises(ConfigError, match="another period_seconds"):
        other.turn()


def test_a_file_that_is_no_key_is_named(path: Path) -> None:
    name = put(path, 5, b"no key")
    with pytest.raises(ConfigError, match=f"{name.file} is not a key of its type"):
        Machine(path, 5000).keys.turn()


def test_a_key_that_others_can_read_is_refused(begun: Machine) -> None:
    (begun.folder.path / KeyName(5, FAST[0], PERIOD).file).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Machine(begun.folder.path, 5000).keys.turn()


def test_keys_that_somebody_put_in_with_one_truncated_id_are_refused(path: Path) -> None:
    for epoch in (5, 6):
        put(path, epoch, key_with(7))
    with pytest.raises(TacitaError, match="truncated key id"):
        Machine(path, 5000).keys.turn()


@given(st.sets(st.integers(0, 255), min_size=200, max_size=255))
@settings(max_examples=10, deadline=None)
def test_a_new_key_has_a_truncated_id_of_its_own(taken: set[int]) -> None:
    from issuer.keys import _draw

    content, truncated = _draw(KEY_TYPES[FAST[0]], taken)
    assert truncated not in taken
    assert KEY_TYPES[FAST[0]].load(content).public_key.key_id[-1] == truncated


def test_when_all_truncated_ids_are_taken_it_says_so() -> None:
    from issuer.keys import _draw

    fixed_key = KEY_TYPES[FAST[0]].generate()
    kind = KeyType("same", 5, lambda: fixed_key, KEY_TYPES[FAST[0]].load)
    with pytest.raises(ConfigError, match="fewer token types"):
        _draw(kind, {kind.load(fixed_key).public_key.key_id[-1]})


def test_keys_of_another_process_s_types_are_minded(path: Path) -> None:
    both = Machine(path, 5000, ("voprf-p384", FAST[0]))
    both.keys.turn()
    one = Machine(path, 5000)
    one.keys.turn()
    assert [kind for kind, *_ in one.shown()] == [5, 5]
    both.turn_at(5900)
    one.turn_at(6000)
    both.turn_at(6000)
    assert len({key[3] for key in both.shown()}) == 6


def steps() -> st.SearchStrategy[list[tuple[int, float]]]:
    return st.lists(st.tuples(st.integers(0, 3), st.floats(0, 400)), min_size=5, max_size=60)


@given(steps())
@settings(max_examples=40, deadline=None)
def test_however_machines_take_turns_the_rule_holds(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, float]]
) -> None:
    path = tmp_path_factory.mktemp("keys")
    machines = [Machine(path, 5000, random=number / 3) for number in range(4)]
    now = 5000.0
    published: dict[int, bytes] = {}
    for machine in machines:
        machine.keys.turn()
    for number, step in moves:
        now += step
        for machine in machines:
            machine.clock.now = now
        machines[number].keys.turn()
        shown = machines[number].shown()
        present = SCHEDULE.epoch(now)
        assert [epoch for _, epoch, *_ in shown] == [present + 1, present, present - 1][: len(shown)]
        assert [epoch for _, epoch, *_, issues in shown if issues] == [present]
        assert len({truncated for *_, truncated, _ in shown}) == len(shown)
        for _, epoch, key_id, *_ in shown:
            # A key that was published is never another one.
            assert published.setdefault(epoch, key_id) == key_id
        assert set(machines[number].epochs()) <= {present - 1, present, present + 1, present + 2}


class Late(KeyFolder):
    """A folder that shows what others have made only after a while."""

    hidden = 3

    def look(self) -> Contents:
        self.hidden -= 1
        seen = super().look()
        return Contents({}, seen.epochs, seen.leftovers) if self.hidden > 0 else seen


@pytest.mark.parametrize("late", [3, 1000])
def test_a_key_that_is_shown_late_is_waited_for(
    begun: Machine, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.keys._LATE_SECONDS", 0.0)
    folder = Late(begun.folder.path)
    folder.hidden = late
    keys = IssuerKeys(folder, types_named(FAST), SCHEDULE, clock=begun.clock)
    if late == 1000:
        with pytest.raises(ConfigError, match="does not show"):
            keys.turn()
    else:
        keys.turn()
        assert [key.key_id for key in keys.present().issuing] == [key[2] for key in begun.shown()]


def test_a_key_that_is_replaced_while_it_is_read_is_read_again(begun: Machine) -> None:
    name = KeyName(5, FAST[0], PERIOD)

    class Changing(KeyFolder):
        reads = 0

        def read(self, wanted: KeyName) -> bytes:
            self.reads += 1
            if self.reads == 1:
                self.replace(name, KEY_TYPES[FAST[0]].generate())
                return b"what was overwritten"
            return super().read(wanted)

    keys = IssuerKeys(Changing(begun.folder.path), types_named(FAST), SCHEDULE, clock=begun.clock)
    keys.turn()
    begun.keys.turn()
    assert [key.key_id for key in keys.present().issuing] == [key[2] for key in begun.shown()]


def test_types_have_one_order(path: Path) -> None:
    assert [kind.name for kind in types_named(reversed(KEY_TYPES))] == list(KEY_TYPES)
    numbers = [kind.token_type for kind in KEY_TYPES.values()]
    assert numbers == sorted(numbers)
    assert {blind_rsa.TOKEN_TYPE, voprf_p384.TOKEN_TYPE, voprf_ristretto255.TOKEN_TYPE} <= set(numbers)


@pytest.mark.parametrize("kind", KEY_TYPES.values(), ids=list(KEY_TYPES))
def test_each_type_reads_what_it_made_and_nothing_else(kind: KeyType) -> None:
    content = kind.generate()
    assert kind.load(content).public_key.key_id == kind.load(content).public_key.key_id
    for bad in (b"", b"x", content[:-30], content[30:]):
        with pytest.raises(TacitaError):
            kind.load(bad)


def test_an_rsa_key_of_another_size_is_refused() -> None:
    from tacita.crypto.rsa_keys import RsaPrivateKey

    with pytest.raises(TacitaError, match="2048"):
        KEY_TYPES["blind-rsa"].load(RsaPrivateKey.generate(3072).to_pem())


def test_fixed_keys_do_not_turn_over() -> None:
    keys = IssuingKeys([])
    source: Callable[[], LiveKeys] = fixed(keys)
    assert source() is source()
    assert source().issuing is keys


def test_no_key_prints(begun: Machine) -> None:
    assert "scalar" not in repr(begun.keys.present())
    assert "PrivateKey" not in repr(begun.keys.present())


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Modes must not hang on what the process was started with."""
    before = os.umask(0)
    yield
    os.umask(before)
