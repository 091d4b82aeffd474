"""Which quota the table `[quota]` asks for, and why it cannot be had."""

from pathlib import Path

import pytest
from support.redis_server import DURABLE, RedisServer

from issuer.config import QuotaConfig
from issuer.quota.choice import open_quota
from issuer.quota.redis import RedisQuota
from issuer.quota.sqlite import SqliteQuota
from tacita.errors import ConfigError
from tacita.service.keyfiles import write_secret
from tacita.service.redis.errors import RedisUnavailable


async def test_a_database(tmp_path: Path) -> None:
    config = QuotaConfig(database=tmp_path / "quota.sqlite", hash_key=tmp_path / "quota.key")
    async with await open_quota(config) as quota:
        assert isinstance(quota, SqliteQuota)


async def test_a_redis_with_a_password(tmp_path: Path) -> None:
    write_secret(tmp_path / "password", b"correct-horse\n")
    with RedisServer(requirepass="correct-horse", **DURABLE) as server:
        config = QuotaConfig(
            redis=server.address, redis_password=tmp_path / "password", hash_key=tmp_path / "quota.key"
        )
        async with await open_quota(config) as quota:
            assert isinstance(quota, RedisQuota)
        with pytest.raises(ConfigError, match="password"):
            await open_quota(QuotaConfig(redis=server.address, hash_key=tmp_path / "quota.key"))


async def test_issuers_with_different_hash_keys_do_not_share_a_redis(tmp_path: Path) -> None:
    with RedisServer(**DURABLE) as server:
        async with await open_quota(QuotaConfig(redis=server.address, hash_key=tmp_path / "a.key")):
            with pytest.raises(ConfigError, match="the same one"):
                await open_quota(QuotaConfig(redis=server.address, hash_key=tmp_path / "b.key"))


async def test_a_redis_that_is_not_there(tmp_path: Path) -> None:
    config = QuotaConfig(redis=f"unix://{tmp_path / 'redis.sock'}", hash_key=tmp_path / "quota.key")
    with pytest.raises(RedisUnavailable):
        await open_quota(config)
