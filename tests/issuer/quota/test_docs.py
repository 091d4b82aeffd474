"""The configurations under "How tokens are counted" in docs/issuer.md are ones that an issuer takes."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig
from issuer.errors import OverBurst, OverDailyLimit, OverQuota
from issuer.tiers import Tier

_TEXT = (Path(__file__).resolve().parents[3] / "docs" / "issuer.md").read_text()
_SECTION = _TEXT.partition("## How tokens are counted\n")[2].partition("\n## ")[0]
FRAGMENTS = [tomllib.loads(toml) for toml in re.findall(r"```toml\n(.*?)```", _SECTION, re.DOTALL)]


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_is_a_configuration(fragment: dict[str, Any]) -> None:
    table = {**tomllib.loads(config_text()), **fragment}
    msgspec.convert(table, IssuerConfig, dec_hook=lambda kind, value: kind(value))


def test_each_limit_and_place_is_shown() -> None:
    assert [set(fragment["quota"]) & {"database", "redis"} for fragment in FRAGMENTS] == [
        {"database"},
        {"redis"},
        {"redis"},
    ]
    assert set(FRAGMENTS[0]["tiers"]["large"]) == set(Tier.__struct_fields__)


def test_the_problem_types_are_named() -> None:
    for refusal in (OverQuota, OverDailyLimit, OverBurst):
        assert f"`{refusal.problem_type}`" in _SECTION
        assert f'"{refusal.policy}"' in _SECTION
