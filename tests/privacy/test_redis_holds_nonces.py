"""What a Redis keeps on its disk of spent tokens: nonces, and nothing else of a request."""

import asyncio
import secrets
from pathlib import Path

import pytest
from support import deployments
from support.asking import Client, request
from support.canaries import Canaries, contents, windows
from support.redis_server import DURABLE, RedisServer
from support.targets import Target, plain, reserved_port

from tacita.cli.deployment import Deployment

pytestmark = pytest.mark.e2e


async def test_redis_keeps_the_nonce_alone(tmp_path: Path) -> None:
    with RedisServer(**DURABLE) as server, reserved_port() as port:
        async with Target.at(port) as target:
            target.answer = plain(b"canary-answer-" + secrets.token_hex(8).encode())
            deployment = Deployment.create(tmp_path / "state", target.url)
            deployments.edit(
                deployment,
                "gateway",
                lambda text: text.replace('sqlite = "gateway/spent.sqlite"', f'redis = "{server.address}"'),
            )
            with deployments.running(deployment) as roles:
                client = await Client.of(roles.state)
                token = await client.token()
                prompt = b"canary-prompt-" + secrets.token_hex(8).encode()
                answer = await client.chunked(request(target.url, token, prompt))
                assert answer.head.status == 200
                kept = await asyncio.to_thread(contents, server.folder)
                canaries = Canaries(
                    {
                        "nonce": token.nonce,
                        "authenticator": windows(token.authenticator, 32, 32),
                        "prompt": prompt,
                        "answer": answer.content,
                        "API key": client.credential.encode(),
                    }
                )
        found = {path.name: canaries.in_bytes(content) for path, content in kept.items()}
        assert set().union(*found.values()) == {"nonce"}
        assert all("aof" in name for name, names in found.items() if names)
