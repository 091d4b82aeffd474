"""A process that dies before any one of its steps on the key state: nothing is lost and nothing stays."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.key_instances import GRACE, MIDNIGHT, NOON, Clock, Instance

from gateway.key_state import KeyState
from tacita.errors import ConfigError

_STEPS = {"open", "os.link", "os.mkdir", "os.remove", "os.rename"}
_CRASHED = 77


def crashes(change: Callable[[], object]) -> Iterator[int]:
    """Run `change` in processes that die before its first, second, … step; yield after each death."""
    for last in range(1, 200):
        child = os.fork()
        if child == 0:
            _die_before(last, change)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, _CRASHED)
        if code == 0:
            assert last > 5, "there were steps"
            return
        yield last
    raise AssertionError("it has no end")


def _die_before(last: int, change: Callable[[], object]) -> None:
    steps = 0

    def step(event: str, _arguments: object) -> None:
        nonlocal steps
        steps += event in _STEPS
        if steps == last:
            os._exit(_CRASHED)

    try:
        sys.addaudithook(step)
        change()
    except BaseException:
        os._exit(1)
    os._exit(0)


def fresh(folder: Path, number: int) -> Instance:
    return Instance(folder / f"{number}")


def require_clean(one: Instance) -> None:
    assert [path.name for path in one.folder.iterdir()] == ["chain.key"]
    assert stat.S_IMODE((one.folder / "chain.key").stat().st_mode) == 0o600


def put(one: Instance, state: KeyState) -> None:
    one.folder.joinpath("chain.key").write_bytes(state.encode())
    one.folder.joinpath("chain.key").chmod(0o600)
    one.restart()


@pytest.fixture
def state(tmp_path: Path) -> KeyState:
    source = Instance(tmp_path / "source")
    source.turn()
    return source.state


def test_beginning(tmp_path: Path) -> None:
    one = Instance(tmp_path / "one")
    for _ in crashes(one.turn):
        one.turn()
        require_clean(one)
        (one.folder / "chain.key").unlink()
        one.restart()


@pytest.mark.parametrize("now", [MIDNIGHT, MIDNIGHT + GRACE])
def test_turning(tmp_path: Path, state: KeyState, now: float) -> None:
    one = Instance(tmp_path / "one")
    put(one, state)
    one.clock.now = now
    for _ in crashes(one.turn):
        assert one.state.link in (state.link, state.link.following())
        one.turn()
        assert one.state.link == state.link.following()
        assert (one.state.retired is not None) == (now == MIDNIGHT)
        require_clean(one)
        put(one, state)


def test_dropping_the_keys_of_the_grace(tmp_path: Path, state: KeyState) -> None:
    source = Instance(tmp_path / "other")
    put(source, state)
    source.at(MIDNIGHT)
    in_grace = source.state
    one = Instance(tmp_path / "one")
    put(one, in_grace)
    one.clock.now = MIDNIGHT + GRACE
    for _ in crashes(one.turn):
        one.turn()
        assert one.state == KeyState(state.period, in_grace.link)
        require_clean(one)
        put(one, in_grace)


@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("now", [NOON, MIDNIGHT])
def test_taking_a_seed(tmp_path: Path, state: KeyState, configured: bool, now: float) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    seed = seeds / "seed"
    one = Instance(tmp_path / "one", Clock(now), seed=seed if configured else None)

    def plant() -> None:
        seed.write_bytes(state.encode())
        seed.chmod(0o600)
        one.restart()

    def take() -> None:
        if configured:
            one.turn()
        else:
            one.keyring.take(seed)

    plant()
    for _ in crashes(take):
        # The chain is in one of the two places at any moment.
        assert seed.exists() or (one.folder / "chain.key").exists()
        if configured or seed.exists():
            take()
        else:
            one.turn()
            with pytest.raises(ConfigError, match="No such file"):
                take()
        assert one.state.link in (state.link, state.link.following())
        require_clean(one)
        assert list(seeds.iterdir()) == []
        plant()
        (one.folder / "chain.key").unlink()


def test_replacing(tmp_path: Path, state: KeyState) -> None:
    one = Instance(tmp_path / "one")
    put(one, state)
    for _ in crashes(one.keyring.replace):
        command = Instance(one.folder)
        command.keyring.replace()
        assert command.state.link != state.link
        require_clean(one)
        put(one, state)
