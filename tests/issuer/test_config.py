from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig
from tacita.errors import ConfigError
from tacita.service.config import load


def loaded(folder: Path, text: str) -> IssuerConfig:
    path = folder / "issuer.toml"
    path.write_text(text)
    return load(path, IssuerConfig)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, config_text())
    assert config.quota.database == tmp_path / "quota.sqlite"
    assert config.keys.folder == tmp_path / "keys"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("standard = 1000", ""),
        ("standard = 1000", "a = 1, b = 1, c = 1, d = 1, e = 1"),
        ("standard = 1000", "standard = 0"),
        ("https://issuer.example", "https://issuer.example/path"),
        ("https://issuer.example", "https://issuer.example:443"),
        ("https://issuer.example", "ftp://issuer.example"),
        ("2592000", "0"),
        ("2592000", "2678401"),
        ("public_url", "max_batch = 0\npublic_url"),
        ("public_url", "max_batch = 10001\npublic_url"),
        ("public_url", "max_pending = 0\npublic_url"),
        ("accounts =", "acounts ="),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = config_text()
    assert old in text
    with pytest.raises(ConfigError):
        loaded(tmp_path, text.replace(old, new))
