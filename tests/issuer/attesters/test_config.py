"""The table `[attester]`: five kinds, each with its own keys, and what the tiers have to do with it."""

from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.attesters.config import ApiKeyConfig, InvitationConfig, JwtConfig, MutualTlsConfig, WebhookConfig
from issuer.config import IssuerConfig
from tacita.errors import ConfigError
from tacita.service.config import load

JWT = 'kind = "jwt", issuer = "https://login.example", audience = "tacita", jwks_url = "https://login.example/k"'
WEBHOOK = 'kind = "webhook", url = "https://hook.example/", secret = "hook.secret"'
TLS = 'listen = { tls_certificate = "a", tls_private_key = "b", tls_client_authority = "c", port = 0 }'
ONE, TWO = "{ standard = 1000 }", "{ standard = 1000, large = 2000 }"


def loaded(folder: Path, table: str, tiers: str = ONE, listen: str = "") -> IssuerConfig:
    text = config_text().replace('kind = "api-key", accounts = "accounts.json"', table)
    assert table in text
    text = text.replace(f"tiers = {ONE}", f"tiers = {tiers}" if tiers else "")
    if listen:
        text = text.replace("listen = { port = 0 }", listen)
    path = folder / "issuer.toml"
    path.write_text(text)
    return load(path, IssuerConfig)


def test_each_kind(tmp_path: Path) -> None:
    api_key = loaded(tmp_path, 'kind = "api-key", accounts = "a.json"', TWO).attester
    assert api_key == ApiKeyConfig(accounts=tmp_path / "a.json")
    jwt = loaded(tmp_path, JWT + ', jwks_authority = "ca.pem"').attester
    assert isinstance(jwt, JwtConfig)
    assert jwt.jwks_authority == tmp_path / "ca.pem"
    assert jwt.algorithms == ("RS256", "ES256", "EdDSA")
    mtls = loaded(tmp_path, 'kind = "mtls", account = "san"', listen=TLS)
    assert mtls.attester == MutualTlsConfig(account="san")
    assert mtls.listen.tls_client_authority == tmp_path / "c"
    invitation = loaded(tmp_path, 'kind = "invitation", database = "i.sqlite"', "")
    assert (invitation.attester, invitation.tiers) == (InvitationConfig(database=tmp_path / "i.sqlite"), {})
    webhook = loaded(tmp_path, WEBHOOK, TWO).attester
    assert isinstance(webhook, WebhookConfig)
    assert (webhook.secret, webhook.cache_seconds) == (tmp_path / "hook.secret", 0)


@pytest.mark.parametrize(
    ("table", "tiers"),
    [
        (JWT, ONE),
        (JWT + ', tier = "large"', TWO),
        (JWT + ', tier_claim = "plan", tier_map = { pro = "large" }', TWO),
        (JWT + ', jwks_authority = "a", algorithms = ["RS256"]', ONE),
        (JWT.replace("https://login.example/k", "http://127.0.0.1:1/k"), ONE),
        (WEBHOOK.replace("https://hook.example/", "http://localhost:1/"), ONE),
        (WEBHOOK + ', headers = ["X-Api-Key", "X_Device"], cache_seconds = 300', ONE),
    ],
)
def test_what_is_taken(tmp_path: Path, table: str, tiers: str) -> None:
    loaded(tmp_path, table, tiers)


@pytest.mark.parametrize(
    ("table", "tiers", "named"),
    [
        ("", ONE, "kind"),
        ('kind = "password"', ONE, "password"),
        ('kind = "api-key", acounts = "a"', ONE, "acounts"),
        ('kind = "api-key"', ONE, "accounts"),
        ('kind = "api-key", accounts = "a", audience = "b"', ONE, "audience"),
        ('kind = "api-key", accounts = "a"', "", "tier"),
        ('kind = "api-key", accounts = "a"', "{ a = 1, b = 1, c = 1, d = 1, e = 1 }", "at most 4 tiers"),
        (JWT, TWO, "tier"),
        (JWT + ', tier = "huge"', TWO, "tier"),
        (JWT + ', tier_claim = "plan", tier_map = { pro = "huge" }', TWO, "tier"),
        (JWT + ', tier_claim = "plan"', ONE, "tier_claim"),
        (JWT + ', tier_map = { pro = "standard" }', ONE, "tier_claim"),
        (JWT + ', algorithms = ["HS256"]', ONE, "algorithms"),
        (JWT + ', algorithms = ["none"]', ONE, "algorithms"),
        (JWT + ", algorithms = []", ONE, "algorithms"),
        (JWT + ", leeway_seconds = 301", ONE, "leeway_seconds"),
        (JWT + ", leeway_seconds = -1", ONE, "leeway_seconds"),
        (JWT + ", retry_seconds = 0", ONE, "retry_seconds"),
        (JWT + ", refresh_seconds = 29", ONE, "refresh_seconds"),
        (JWT + ", stale_seconds = 604801", ONE, "stale_seconds"),
        (JWT + ', account_claim = ""', ONE, "account_claim"),
        (JWT.replace("https://login.example/k", "http://login.example/k"), ONE, "https"),
        (JWT.replace('"tacita"', '""'), ONE, "audience"),
        ('kind = "mtls"', ONE, "tls_client_authority"),
        ('kind = "mtls", account = "serial"', ONE, "account"),
        ('kind = "mtls"', TWO, "tier"),
        ('kind = "invitation", database = "i"', ONE, "tiers"),
        (WEBHOOK.replace("https:", "http:"), ONE, "https"),
        (WEBHOOK + ", headers = []", ONE, "headers"),
        (WEBHOOK + ', headers = ["a", "A"]', ONE, "headers"),
        (WEBHOOK + ', headers = ["a b"]', ONE, "headers"),
        (WEBHOOK + ', headers = [""]', ONE, "headers"),
        (WEBHOOK + ', headers = ["a", "b", "c", "d", "e"]', ONE, "headers"),
        (WEBHOOK + ", seconds = 0", ONE, "seconds"),
        (WEBHOOK + ", seconds = 31", ONE, "seconds"),
        (WEBHOOK + ", cache_seconds = 301", ONE, "cache_seconds"),
        (WEBHOOK + ", connections = 0", ONE, "connections"),
        (WEBHOOK + ", cache_entries = 0", ONE, "cache_entries"),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, table: str, tiers: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        loaded(tmp_path, table, tiers)
