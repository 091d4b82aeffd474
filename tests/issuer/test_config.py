from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig
from issuer.tiers import Tier
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
        ("public_url", "max_pending_of_account = 0\npublic_url"),
        ("public_url", "presentation_limit = 1\npublic_url"),
        ("public_url", "presentation_limit = 1000001\npublic_url"),
        ("accounts =", "acounts ="),
        ('database = "quota.sqlite", ', ""),
        ('database = "quota.sqlite"', 'database = "quota.sqlite", redis = "redis://localhost"'),
        ('database = "quota.sqlite"', 'database = "quota.sqlite", redis_password = "password"'),
        ('database = "quota.sqlite"', 'database = "quota.sqlite", accept_replicas = true'),
        ("standard = 1000", "standard = { burst = 100 }"),
        ("standard = 1000", "standard = { tokens = 1000, bursts = 100 }"),
        ("standard = 1000", "standard = { tokens = 0 }"),
        ("standard = 1000", "standard = { tokens = 1000, burst = 0 }"),
        ("standard = 1000", "standard = { tokens = 1000, burst = 99 }"),
        ("standard = 1000", "standard = { tokens = 1000, per_day = 0 }"),
        ("standard = 1000", 'standard = "1000"'),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = config_text()
    assert old in text
    with pytest.raises(ConfigError):
        loaded(tmp_path, text.replace(old, new))


def test_a_tier_is_a_number_or_a_table(tmp_path: Path) -> None:
    tiers = "small = 10, large = { tokens = 5000, burst = 100, per_day = 500 }"
    config = loaded(tmp_path, config_text().replace("standard = 1000", tiers))
    assert config.tiers == {"small": 10, "large": Tier(tokens=5000, burst=100, per_day=500)}


def test_a_daily_limit_wants_a_longer_period(tmp_path: Path) -> None:
    text = config_text().replace("standard = 1000", "standard = { tokens = 1000, per_day = 100 }")
    assert loaded(tmp_path, text)
    with pytest.raises(ConfigError, match="longer than a day"):
        loaded(tmp_path, text.replace("2592000", "86400"))


def test_a_redis_in_place_of_a_database(tmp_path: Path) -> None:
    redis = 'redis = "redis://localhost", redis_password = "password", redis_authority = "ca.pem"'
    config = loaded(tmp_path, config_text().replace('database = "quota.sqlite"', redis))
    assert config.quota.database is None
    assert config.quota.redis == "redis://localhost"
    assert config.quota.redis_password == tmp_path / "password"
    assert config.quota.redis_authority == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("tier", "limit"),
    [
        ("999", 1000),
        ("{ tokens = 5000, burst = 999 }", 1000),
        ("{ tokens = 5000, per_day = 999 }", 1000),
    ],
)
def test_a_credential_that_no_account_of_a_tier_could_ever_pay_is_refused(
    tmp_path: Path, tier: str, limit: int
) -> None:
    text = config_text(more=f"presentation_limit = {limit}").replace("standard = 1000", f"standard = {tier}")
    assert loaded(tmp_path, text).credentials_for is None
    text = text.replace("create_key", 'types = ["blind-rsa", "arc"], create_key')
    with pytest.raises(ConfigError, match="presentation_limit"):
        loaded(tmp_path, text)
    enough = loaded(tmp_path, text.replace("999", "1000"))
    assert enough.credentials_for == 1000
