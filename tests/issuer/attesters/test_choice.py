import subprocess
import sys
from pathlib import Path

import pytest

from issuer.attesters.api_key import ApiKeyAttester
from issuer.attesters.choice import attester_of
from issuer.attesters.config import (
    ApiKeyConfig,
    AttesterConfig,
    InvitationConfig,
    JwtConfig,
    MutualTlsConfig,
    WebhookConfig,
)
from issuer.attesters.invitation import InvitationAttester
from issuer.attesters.jwt import JwtAttester
from issuer.attesters.mutual_tls import MutualTlsAttester
from issuer.attesters.webhook import WebhookAttester
from tacita.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
JWT = JwtConfig(issuer="https://login.example", audience="tacita", jwks_url="https://login.example/keys")


async def test_each_kind_is_what_it_says(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("x" * 32)
    kinds: list[tuple[AttesterConfig, type]] = [
        (ApiKeyConfig(accounts=tmp_path / "accounts.json"), ApiKeyAttester),
        (JWT, JwtAttester),
        (MutualTlsConfig(), MutualTlsAttester),
        (InvitationConfig(database=tmp_path / "invitations.sqlite"), InvitationAttester),
        (WebhookConfig(url="https://hook.example/", secret=secret), WebhookAttester),
    ]
    for config, kind in kinds:
        async with attester_of(config, {"standard": 1}) as attester:
            assert type(attester) is kind


@pytest.mark.parametrize("kind", ["api-key", "jwt", "invitation", "webhook"])
def test_a_file_that_cannot_be_used_is_said_at_the_start(tmp_path: Path, kind: str) -> None:
    bad = tmp_path / "bad"
    bad.touch(mode=0o600)
    bad.write_bytes(b"nothing of use " * 100)
    configs: dict[str, AttesterConfig] = {
        "api-key": ApiKeyConfig(accounts=bad),
        "jwt": JwtConfig(issuer="i", audience="a", jwks_url="https://login.example/", jwks_authority=bad),
        "invitation": InvitationConfig(database=bad),
        "webhook": WebhookConfig(url="https://hook.example/", secret=bad),
    }
    with pytest.raises(ConfigError):
        attester_of(configs[kind], {"standard": 1})


_WITHOUT = """
import sys
sys.modules["jwt"] = None
from issuer.attesters.choice import attester_of
from issuer.attesters.config import JwtConfig
from tacita.errors import ConfigError
try:
    attester_of(JwtConfig(issuer="i", audience="a", jwks_url="https://login.example/"), {"standard": 1})
except ConfigError as error:
    print(error)
"""


def test_without_its_extra_it_says_which() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITHOUT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "pip install 'tacita[oidc]'" in ran.stdout
