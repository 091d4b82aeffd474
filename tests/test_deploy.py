"""Every sample configuration in deploy/config is what its role reads."""

from importlib import import_module
from pathlib import Path

import pytest

from tacita.service.config import Struct, load

_FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "config"

CONFIGURATIONS = {
    "issuer": ("issuer.config", "IssuerConfig"),
    "node": ("node.config", "NodeConfig"),
    "relay": ("relay.config", "RelayConfig"),
}
"""Module and type of each role's configuration; deploy/config/<role>.toml is its sample."""


@pytest.mark.parametrize("role", CONFIGURATIONS)
def test_the_sample_is_a_valid_configuration(role: str) -> None:
    module, name = CONFIGURATIONS[role]
    kind: type[Struct] = getattr(import_module(module), name)
    load(_FOLDER / f"{role}.toml", kind)


def test_every_sample_is_known() -> None:
    assert {sample.stem for sample in _FOLDER.glob("*.toml")} <= set(CONFIGURATIONS)
