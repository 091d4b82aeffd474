"""Each fragment of docs/issuer.md about attesters is a configuration, and says what it says it does."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig

_TEXT = (Path(__file__).resolve().parents[3] / "docs" / "issuer.md").read_text()
_SECTION = _TEXT.partition("## Who may have tokens\n")[2].partition("\n## ")[0]
FRAGMENTS = [tomllib.loads(toml) for toml in re.findall(r"```toml\n(.*?)```", _SECTION, re.DOTALL)]


def test_every_kind_has_one() -> None:
    kinds = [fragment["attester"]["kind"] for fragment in FRAGMENTS]
    assert kinds == ["api-key", "jwt", "mtls", "invitation", "webhook"]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: str(fragment["attester"]["kind"]))
def test_a_fragment_is_a_configuration(fragment: dict[str, dict[str, object]]) -> None:
    table = {**tomllib.loads(config_text()), **fragment}
    if fragment["attester"]["kind"] == "invitation":
        del table["tiers"]
    else:
        table["tiers"] = {"standard": 1000, "large": 2000}
    attester = msgspec.convert(table, IssuerConfig, dec_hook=lambda kind, value: kind(value)).attester
    assert set(fragment["attester"]) - {"kind"} <= set(msgspec.structs.asdict(attester))
