"""From the table `[quota]` to the quota that it asks for."""

from issuer.config import QuotaConfig
from issuer.quota import Quota
from issuer.quota.claims import load_hash_key
from issuer.quota.sqlite import SqliteQuota
from tacita.errors import ConfigError

__all__ = ["open_quota"]


async def open_quota(config: QuotaConfig) -> Quota:
    """Open the quota of `config`.

    Raises:
        ConfigError: a file or the server cannot be used, or a package is not installed.
        RedisUnavailable: the server cannot be reached.
        QuotaUnavailable, ClockSetBack: no charge could be made now.
    """
    key = load_hash_key(config.hash_key)
    quota: Quota
    if config.database is not None:
        quota = SqliteQuota(config.database, key, config.period_seconds)
    else:
        assert config.redis is not None
        try:
            from issuer.quota.redis import RedisQuota  # noqa: PLC0415 (most issuers need no Redis)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"A quota in Redis needs the module {error.name}; run pip install 'tacita[issuer]'."
            ) from None
        quota = await RedisQuota.open(
            config.redis,
            key,
            config.period_seconds,
            password_file=config.redis_password,
            ca_file=config.redis_authority,
            accept_replicas=config.accept_replicas,
        )
    try:
        await quota.check()
    except BaseException:
        await quota.__aexit__()
        raise
    return quota
