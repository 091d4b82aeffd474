"""The configuration file: what is refused, and by which words."""

from pathlib import Path

import pytest
from support.gateways import config_text

from gateway.config import GatewayConfig
from tacita.errors import ConfigError
from tacita.service.config import load


def read(folder: Path, text: str) -> GatewayConfig:
    file = folder / "gateway.toml"
    file.write_text(text)
    return load(file, GatewayConfig)


def test_paths_are_relative_to_the_file_and_defaults_are_bounded(tmp_path: Path) -> None:
    config = read(tmp_path, config_text(1, 2))
    assert config.store.sqlite == tmp_path / "spent.sqlite"
    assert config.keys.state == tmp_path / "keys.json"
    assert (config.keys.seed, config.keys.period_seconds, config.keys.grace_seconds) == (None, 86_400, 600)
    assert (config.token.request_bytes, config.token.response_bytes, config.token.seconds) == (
        1 << 20, 8 << 20, 300,
    )  # fmt: skip
    assert config.limits.exchanges == 1024
    assert config.targets[0].token
    assert not config.targets[1].token


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"p256"]', '"x25519"]', "each once"),
        ('"p256"]', '"p384"]', "Invalid enum value"),
        ('["x25519", "p256"]', "[]", "at least one KEM"),
        ("[keys]", "[[keys]]", "Expected `object`, got `array`"),
        ("[keys]", '[keys]\n        seed = "keys.json"', "different files"),
        ("[keys]", "[keys]\n        period_seconds = 0", "between one second and 366 days"),
        ("[keys]", "[keys]\n        period_seconds = 600", "at most 3600 and less than a period"),
        ("[keys]", "[keys]\n        grace_seconds = 3601", "at most 3600 and less than a period"),
        ("[keys]", "[keys]\n        grace_seconds = -1", "at most 3600 and less than a period"),
        ('store]\n        sqlite = "spent.sqlite"', "store]", "exactly one of sqlite and redis"),
        ("[store]", '[store]\n        redis = "redis://x"', "exactly one of sqlite and redis"),
        ("https://free.example", "https://gateway.example", "each origin is given once"),
        ("https://free.example", "https://free.example/", "default port or path"),
        ("https://free.example", "https://Free.example", "default port or path"),
        ("https://free.example", "https://free.example:443", "default port or path"),
        ("https://free.example", "ftp://free.example", "not an http or https URL"),
        ("http://127.0.0.1:1", "127.0.0.1:1", "not an http or https URL"),
        ("http://127.0.0.1:1", "https://u:p@x", "user information"),
        ("[limits]", "[limits]\n        piece_seconds = 0", "piece_seconds"),
        ("[limits]", "[limits]\n        exchanges = 0", "exchanges"),
        ("[limits]", "[limits]\n        unknown = 1", "unknown"),
        ("[token]", "[token]\n        request_bytes = 0", "request_bytes"),
        ("[token]", "[token]\n        response_bytes = 4095", "response_bytes"),
        ("[token]", "[token]\n        seconds = -1", "seconds"),
        ("drain_seconds", "insecure = true\n        drain_seconds", "insecure"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = config_text(1, 2)
    assert old in text
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text.replace(old, new))


def test_no_key_and_no_target_are_refused(tmp_path: Path) -> None:
    text = config_text(1, 2)
    without_keys = text[: text.index("[keys]")] + text[text.index("[[issuers]]") :]
    with pytest.raises(ConfigError, match="missing required field `keys`"):
        read(tmp_path, without_keys)
    without_targets = text[: text.index("[[targets]]")]
    with pytest.raises(ConfigError, match="at least one target"):
        read(tmp_path, without_targets.replace("drain_seconds", "targets = []\n        drain_seconds"))


def test_tls_over_a_unix_socket_is_refused(tmp_path: Path) -> None:
    more = '[[targets]]\norigin = "https://x.example"\nunix = "x.sock"\nurl = "https://x.example"'
    with pytest.raises(ConfigError, match="over a unix socket"):
        read(tmp_path, config_text(1, 2, targets=more))
