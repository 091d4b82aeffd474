"""From the table `[attester]` to the attester that it asks for."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from ssl import SSLContext
from typing import assert_never

from issuer.accounts import AccountsFile
from issuer.attesters import Attester
from issuer.attesters.api_key import ApiKeyAttester
from issuer.attesters.config import (
    ApiKeyConfig,
    AttesterConfig,
    InvitationConfig,
    JwtConfig,
    MutualTlsConfig,
    WebhookConfig,
)
from issuer.attesters.invitation import InvitationAttester
from issuer.attesters.mutual_tls import MutualTlsAttester
from issuer.attesters.webhook import WebhookAttester
from issuer.invitations import Invitations
from issuer.tiers import Allowance
from tacita.errors import ConfigError
from tacita.net.tls import client_context

__all__ = ["attester_of"]


def attester_of(config: AttesterConfig, tiers: Mapping[str, Allowance]) -> Attester:
    """Return the attester of `config`; `tiers` maps the name of a tier to its quota in tokens per period.

    Raises:
        ConfigError: a file that it needs cannot be used, or its extra is not installed.
    """
    match config:
        case ApiKeyConfig():
            attester = ApiKeyAttester(AccountsFile(config.accounts), tiers)
            attester.load()
            return attester
        case JwtConfig():
            return _jwt(config, tiers)
        case MutualTlsConfig():
            return MutualTlsAttester(config, tiers)
        case InvitationConfig():
            return InvitationAttester(Invitations(config.database))
        case WebhookConfig():
            return WebhookAttester(config, tiers, _client(config.url, config.authority))
        case _:
            assert_never(config)


def _jwt(config: JwtConfig, tiers: Mapping[str, Allowance]) -> Attester:
    try:
        from issuer.attesters.jwks import KeySet, fetch_key_set  # noqa: PLC0415 (an extra of its own)
        from issuer.attesters.jwt import JwtAttester  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The attester jwt needs the module {error.name}; run pip install 'tacita[oidc]'."
        ) from None
    keys = KeySet(
        partial(fetch_key_set, config.jwks_url, _client(config.jwks_url, config.jwks_authority)),
        fresh_seconds=config.refresh_seconds,
        stale_seconds=config.stale_seconds,
        interval_seconds=config.retry_seconds,
    )
    return JwtAttester(config, tiers, keys)


def _client(url: str, authority: Path | None) -> SSLContext | None:
    return client_context(authority) if url.lower().startswith("https:") else None
