"""What the configuration takes, and what it refuses by name."""

from pathlib import Path

import pytest

from relay.config import RelayConfig
from tacita.errors import ConfigError
from tacita.service.config import load

BASE = """
[listen]
[admin]
[[gateways]]
name = "one"
url = "https://gateway.example/.well-known/ohttp-gateway"
challenge_url = "https://gateway.example/challenge"
issuer_directory_url = "https://issuer.example/.well-known/private-token-issuer-directory"
"""


def read(tmp_path: Path, text: str) -> RelayConfig:
    file = tmp_path / "relay.toml"
    file.write_text(text)
    return load(file, RelayConfig)


def test_defaults(tmp_path: Path) -> None:
    (gateway,) = read(tmp_path, BASE).gateways
    assert gateway.limits.request_bytes == 1_048_576
    assert gateway.mirror.document_bytes == 65_536
    assert not gateway.mirror_only
    assert gateway.incremental == "pass"
    assert gateway.bearer is None
    assert gateway.tls.authority is None
    assert not gateway.allowed_purposes


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = BASE + 'bearer = "secret"\n[gateways.tls]\nauthority = "ca.pem"\n'
    (gateway,) = read(tmp_path, text).gateways
    assert gateway.bearer == tmp_path / "secret"
    assert gateway.tls.authority == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (BASE + "[gateways.limits]\nrequest_bites = 5\n", "request_bites"),
        (BASE + "[gateways.limits]\nrequest_bytes = 0\n", "greater than zero"),
        (BASE + "[gateways.mirror]\nrefresh_min_seconds = 400\n", "refresh_max_seconds"),
        (BASE + "[gateways.mirror]\nstale_seconds = 0\n", "greater than zero"),
        (BASE.replace('"one"', '"One/../x"'), "name"),
        (BASE.replace('"one"', '""'), "name"),
        (BASE + BASE.replace("[listen]\n[admin]\n", ""), "same name"),
        ("gateways = []\n[listen]\n[admin]\n", "at least one"),
        (BASE.replace("https://gateway.example/challenge", "ftp://gateway.example/"), "http"),
        (
            BASE.replace("gateway.example/challenge", "me@gateway.example/"),
            "user information",
        ),
        (BASE + '[gateways.tls]\ncertificate = "c.pem"\n', "go together"),
        (BASE.replace("https://gateway.example/.w", "http://gateway.example/.w") + 'bearer = "b"\n', "https"),
        (
            BASE.replace("https://gateway.example/.w", "http://gateway.example/.w")
            + '[gateways.tls]\nauthority = "a.pem"\n',
            "https",
        ),
        (BASE + 'incremental = "maybe"\n', "maybe"),
        (BASE + 'allowed_purposes = [""]\n', "255"),
        (BASE + f'allowed_purposes = ["{256 * "x"}"]\n', "255"),
        (BASE + '[policy]\noperater = "x"\n', "operater"),
    ],
)
def test_refusals_name_what_is_wrong(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        read(tmp_path, text)
