"""One gateway's keys by a simulated clock: turned, restarted, exported, asked."""

from dataclasses import dataclass, field
from pathlib import Path

from support.clocks import Clock

from gateway.config import KeysConfig
from gateway.key_state import KeyState, StateFile
from gateway.keys import Keyring, Turned
from tacita.ohttp import KeyConfig, oneshot
from tacita.ohttp.errors import UnknownKey

__all__ = ["DAY", "EPOCH", "GRACE", "MIDNIGHT", "NOON", "Instance"]

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
