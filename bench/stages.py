"""The gateway's budget: what each stage of one exchange costs by itself, and what is left for the rest.

The stages are the gateway's own calls, made here one after the other and timed by the thread's CPU clock;
what waits for Redis or for the target is made 32 at a time, as the gateway does under load. The whole is
what a real gateway takes for an exchange in the same run.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bench.exchanges import running
from bench.redis import redis
from bench.results import Section, Table, spread
from bench.rounds import CONNECTIONS, one_round, opened
from bench.server import started
from gateway.stores.redis import RedisStore
from tacita.bhttp import (
    Request,
    RequestHead,
    Response,
    ResponseHead,
    decode_request,
    encode_request,
    encode_response,
)
from tacita.cli.ports import free_ports
from tacita.crypto.hpke import Kem, PrivateKey
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.net.upstream import Upstream
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, oneshot
from tacita.privacypass import auth
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["measure"]

_CONTENT = 400
_TEXT = """\
CPU microseconds of each stage of an exchange with token and Redis, by itself; the rest is the HTTP server,
the task, admission, metrics and the event loop, as the difference to a real gateway measured in the same
rounds.
"""


async def measure(*, short: bool) -> Section:
    """Measure every stage in each round, and the whole beside them."""
    rounds, count = (2, 100) if short else (5, 1_500)
    costs: dict[str, list[float]] = {}
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        async with (
            opened({"": running("Redis", token=True)}) as rows,
            redis(Path(folder)) as address,
            started(["-m", "bench.targets", str(port), str(_CONTENT)], f"http://127.0.0.1:{port}/"),
            Upstream(f"http://127.0.0.1:{port}") as upstream,
        ):
            store = await RedisStore.open(address)
            stages = _Stages(count, store, upstream)
            for number in range(rounds + 1):
                found = await stages.round()
                whole, _ = await one_round(rows[""], count)
                found["rest"] = whole - sum(found.values())
                found["**whole**"] = whole
                if number:
                    for name, cost in found.items():
                        costs.setdefault(name, []).append(cost)
            await store.close()
    table = Table(("stage", "µs CPU"), [(name, spread(found)) for name, found in costs.items()])
    return Section("Gateway by stages", _TEXT, [table])


class _Stages:
    """What one exchange needs, ready-made, so that each stage can be done by itself."""

    def __init__(self, count: int, store: RedisStore, upstream: Upstream) -> None:
        self._count = count
        self._store = store
        self._upstream = upstream
        private = PrivateKey.generate(Kem.X25519)
        algorithms = KeyConfig(1, Kem.X25519, private.public_key, ((1, 1),))
        self._keys = GatewayKeys([GatewayKey(algorithms, private)])
        key = RsaPrivateKey.generate()
        self._key = blind_rsa.load_public_key(key.public_key.spki)
        challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", ("gateway.example",))
        self._digest = challenge.digest()
        request, pending = blind_rsa.request(challenge.encode(), key.public_key)
        (issued,) = blind_rsa.issue([request], best_signer(key))
        self._credentials = auth.format_authorization(blind_rsa.finalize(pending, issued))
        fields = ((b"content-type", b"application/json"), (b"accept", b"application/json"),
                  (b"user-agent", b"bench"), (b"authorization", self._credentials))  # fmt: skip
        head = RequestHead(b"POST", b"http", b"gateway.example", b"/v1/chat", fields)
        self._plain = encode_request(Request(head, b"q" * _CONTENT))
        answered = ResponseHead(200, ((b"content-type", b"application/json"),))
        self._response = Response(answered, b"a" * _CONTENT)
        self._answer = encode_response(self._response)
        self._sealed = [oneshot.encapsulate_request(algorithms, self._plain)[0] for _ in range(count)]
        self._expires = int(time.time()) + 3_600

    async def round(self) -> dict[str, float]:
        """Return the cost of each stage."""
        contexts = []

        def open_one(at: int) -> None:
            contexts.append(oneshot.decapsulate_request(self._keys, self._sealed[at])[1])

        found = {"open (X25519, key schedule, AEAD)": self._each(open_one)}
        found["Binary HTTP, both ways"] = self._each(lambda _: self._binary())
        found["token (parse, RSA verification)"] = self._each(lambda _: self._token())
        found["spend (reserve and commit, Redis)"] = await self._together(self._spend)
        found["forward (HTTP client, to the target and back)"] = await self._together(self._forward)
        found["seal (key schedule, AEAD)"] = self._each(
            lambda at: contexts[at].encapsulate_response(self._answer)
        )
        return found

    def _each(self, stage: Callable[[int], object]) -> float:
        begun = time.thread_time()
        for at in range(self._count):
            stage(at)
        return (time.thread_time() - begun) / self._count * 1e6

    async def _together(self, stage: Callable[[], Awaitable[None]]) -> float:
        left = iter(range(self._count))

        async def one() -> None:
            for _ in left:
                await stage()

        made: Sequence[Coroutine[Any, Any, None]] = [one() for _ in range(CONNECTIONS)]
        begun = time.thread_time()
        await asyncio.gather(*made)
        return (time.thread_time() - begun) / self._count * 1e6

    def _binary(self) -> None:
        decode_request(self._plain)
        encode_response(self._response)

    def _token(self) -> None:
        token, _ = auth.parse_redemption(self._credentials)
        assert isinstance(token, Token)
        blind_rsa.verify(token, self._key, self._digest)

    async def _spend(self) -> None:
        held = await self._store.reserve(self._key.key_id, os.urandom(32), expires=self._expires)
        await self._store.commit(held)

    async def _forward(self) -> None:
        fields = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
        async with self._upstream.request("POST", "/v1/chat", fields, b"q" * _CONTENT) as response:
            if response.arrived() is None:
                async for _ in response.pieces():
                    pass
