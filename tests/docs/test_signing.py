"""Each fragment of docs/issuer.md about signing is a configuration, and says what it says it does."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig

_TEXT = (Path(__file__).resolve().parents[2] / "docs" / "issuer.md").read_text()
_SECTION = _TEXT.partition("\n## Signing\n")[2].partition("\n## ")[0]
FRAGMENTS = [tomllib.loads(toml) for toml in re.findall(r"```toml\n(.*?)```", _SECTION, re.DOTALL)]


def loaded(**tables: Any) -> IssuerConfig:
    table = {**tomllib.loads(config_text()), **tables}
    return msgspec.convert(table, IssuerConfig, dec_hook=lambda kind, value: kind(value))


def test_what_is_shown() -> None:
    engine, hsm, expiration = FRAGMENTS
    assert loaded(**engine).signer == loaded().signer
    assert loaded(**hsm).signer.engine == "pkcs11"
    # What is shown of them are the defaults.
    shown = loaded(**hsm).signer.hsm
    assert shown is not None
    required = {name: hsm["signer"]["hsm"][name] for name in ("module", "token", "pin_file")}
    assert loaded(signer={"engine": "pkcs11", "hsm": required}).signer.hsm == shown
    assert loaded(**expiration).expiration == loaded().expiration


def test_no_token_outlives_its_key() -> None:
    keys = {"folder": "keys", "types": ["partially-blind-rsa"], "period_seconds": 86_400}
    loaded(keys=keys)
    with pytest.raises(msgspec.ValidationError, match="outlives"):
        loaded(keys=keys, expiration={"lifetime_seconds": 86_401})
    with pytest.raises(msgspec.ValidationError, match="precision"):
        loaded(expiration={"precision_seconds": 7200, "lifetime_seconds": 3600})
