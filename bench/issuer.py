"""A real issuer process, and bodies for it: what `bench.signing` measures and `bench.soak` wears out."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.load import http_request
from bench.server import role
from issuer.accounts import AccountsFile
from issuer.attesters.api_key import digest_of, new_api_key
from tacita.privacypass import batch
from tacita.privacypass.batch import GenericBatchTokenRequest
from tacita.privacypass.directory import WELL_KNOWN, IssuerDirectory
from tacita.privacypass.types import blind_rsa

__all__ = ["BATCH", "Issuer", "issuer", "make_folder"]

BATCH = 100
"""Tokens in a request: what our client asks for at a time."""

_PATH = "/token-request"
_QUOTA = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Issuer:
    """A running issuer, the credential of its one account, and the key that it issues under."""

    pid: int
    port: int
    credential: str
    key: blind_rsa.PublicKey

    @property
    def url(self) -> str:
        """Where tokens are asked for."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of a batch."""
        return {"Authorization": f"Bearer {self.credential}", "Content-Type": batch.REQUEST_MEDIA_TYPE}

    def filler(self) -> bytes:
        """Return a token request that nobody can finish: all that an issuer sees of one is random."""
        blinded = b"\0" + os.urandom(self.key.modulus_size - 1)
        return blind_rsa.TokenRequest(self.key.key_id[-1], blinded).encode()

    def batches(self, count: int) -> Sequence[bytes]:
        """Return `count` requests for `BATCH` tokens each, as they stand on the wire."""
        bodies = (
            GenericBatchTokenRequest(tuple(self.filler() for _ in range(BATCH))).encode()
            for _ in range(count)
        )
        return [http_request(_PATH, body, *self.headers.items()) for body in bodies]


def make_folder(folder: Path) -> str:
    """Make what the issuers in `folder` share, and an account in it; return its credential."""
    credential = new_api_key()
    AccountsFile(folder / "accounts.json").add("bench", "bench", digest_of(credential), created="2026-01-01")
    return credential


@asynccontextmanager
async def issuer(
    folder: Path, credential: str, *, engine: str = "auto", core: int | None = None
) -> AsyncIterator[Issuer]:
    """Run an issuer that keeps everything in `folder`, as others there may, and signs with `engine`."""
    table = {
        "public_url": "https://issuer.example",
        "attester": {"kind": "api-key", "accounts": "accounts.json"},
        "keys": {"folder": "keys", "create_key": True},
        "quota": {"database": "quota.sqlite", "hash_key": "quota.key"},
        "signer": {"engine": engine},
        "tiers": {"bench": _QUOTA},
    }
    async with role("issuer", folder, table, core=core) as (pid, port):
        url = f"http://127.0.0.1:{port}{WELL_KNOWN}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            listed = IssuerDirectory.from_json(await response.read())
        # Newest first: the one that is published ahead, and behind it the one that issues.
        yield Issuer(pid, port, credential, blind_rsa.load_public_key(listed.token_keys[1].public_key))
