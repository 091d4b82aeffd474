"""What `key check` finds and `key list` lists, by a clock that the tests hold."""

from pathlib import Path

import pytest
from support.clocks import Clock

from gateway.config import KeysConfig
from gateway.key_report import entries, findings
from gateway.key_state import StateFile
from gateway.keys import Keyring

PERIOD = 1000
GRACE = 100


@pytest.fixture
def config(tmp_path: Path) -> KeysConfig:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    config = KeysConfig(
        state=folder / "chain.key", seed=tmp_path / "seed", period_seconds=PERIOD, grace_seconds=GRACE
    )
    own = KeysConfig(state=config.state, period_seconds=PERIOD, grace_seconds=GRACE)
    Keyring(own, clock=Clock(5000), uptime=lambda: 0.0).turn()
    return config


def turn(config: KeysConfig, now: float) -> None:
    Keyring(config, clock=Clock(now), uptime=lambda: 0.0).turn()


def codes(config: KeysConfig, now: float) -> list[str]:
    return [finding.code for finding in findings(config, now)]


def test_all_is_well(config: KeysConfig) -> None:
    assert codes(config, 5000) == codes(config, 5999) == codes(config, 6004) == []
    turn(config, 6000)
    assert codes(config, 6000) == codes(config, 5996) == codes(config, 6104) == []


def test_each_key_has_its_times(config: KeysConfig) -> None:
    turn(config, 6000)
    listed = entries(config)
    assert [(one.key_id, one.epoch, one.phase) for one in listed] == [
        (8 * 6, 6, "current"),
        (8 * 7, 7, "next"),
        (8 * 5, 5, "retired"),
    ]
    assert [(one.current_from, one.current_until, one.dead_from) for one in listed] == [
        (6000, 7000, 7100),
        (7000, 8000, 8100),
        (5000, 6000, 6100),
    ]
    assert {one.kem for one in listed} == {"x25519"}
    assert len({one.public_key for one in listed}) == 3


def test_nothing_there_is_nothing_listed_and_one_finding(tmp_path: Path) -> None:
    config = KeysConfig(state=tmp_path / "chain.key")
    assert entries(config) == []
    assert codes(config, 5000) == ["missing"]


def test_a_wrong_clock(config: KeysConfig) -> None:
    assert codes(config, 4994) == ["clock"]
    assert codes(config, 7000) == ["clock"]


def test_a_gateway_that_does_not_turn(config: KeysConfig) -> None:
    assert codes(config, 6006) == ["behind"]
    turn(config, 6010)
    assert codes(config, 6106) == ["retired"]
    turn(config, 6106)
    assert codes(config, 6106) == []


def test_files(config: KeysConfig) -> None:
    config.state.parent.chmod(0o770)
    (config.state.parent / ".chain.key.0123456789abcdef.replaced").write_bytes(b"x")
    assert codes(config, 5000) == ["mode", "leftover"]
    config.state.chmod(0o604)
    assert codes(config, 5000) == ["unusable"]


def test_another_period(config: KeysConfig) -> None:
    longer = KeysConfig(state=config.state, period_seconds=2 * PERIOD)
    assert codes(longer, 5000) == ["period"]


def test_a_seed_that_is_still_there(config: KeysConfig) -> None:
    assert config.seed is not None
    left = config.seed.with_name(".seed.0123456789abcdef.dead")
    left.write_bytes(b"x")
    assert codes(config, 5000) == ["leftover"]
    left.unlink()
    config.seed.write_bytes(config.state.read_bytes())
    config.seed.chmod(0o600)
    assert ["was not destroyed" in one.sentence for one in findings(config, 5000)] == [True]
    other = KeysConfig(state=config.seed.with_name("other"), period_seconds=PERIOD, grace_seconds=GRACE)
    turn(other, 5000)
    config.seed.write_bytes(other.state.read_bytes())
    assert ["another chain" in one.sentence for one in findings(config, 5000)] == [True]
    config.seed.write_bytes(b"x")
    assert codes(config, 5000) == ["seed"]


def test_a_report_has_no_secret(config: KeysConfig) -> None:
    state = StateFile(config.state).read()
    assert state is not None
    assert state.link.chain.hex() not in repr(entries(config))
