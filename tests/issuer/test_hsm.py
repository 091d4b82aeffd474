"""The issuer as a process whose keys are in a real SoftHSM2, and what the loss of it does to a request."""

import array
import asyncio
import fcntl
import os
import signal
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support import processes, softhsm
from support.issuers import CHALLENGE, add_account, ask_batch, charged, config_text
from support.ports import free_ports

from issuer.directory import WELL_KNOWN
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.types import blind_rsa

pytestmark = pytest.mark.e2e


@dataclass
class Issuer:
    role: processes.Role
    url: str
    folder: Path
    account: dict[str, str]
    key: blind_rsa.PublicKey

    @property
    def worker(self) -> int:
        """The process that talks to the HSM."""
        pid = self.role.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        (worker,) = (
            int(child) for child in children if b"hsm_worker" in Path(f"/proc/{child}/cmdline").read_bytes()
        )
        return worker


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    port, admin_port = free_ports(2)
    hsm = (
        f'module = "{softhsm.MODULE}", token = "{softhsm.TOKEN}", '
        f'pin_file = "{softhsm.token().pin_file}", label_prefix = "process"'
    )
    more = f'signer = {{ engine = "pkcs11", hsm = {{ {hsm} }} }}'
    text = config_text(port=port, admin_port=admin_port, more=more)
    account = add_account(tmp_path, "alice")
    async with processes.role("issuer", text, tmp_path, admin_port=admin_port) as role:
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as session, session.get(url + WELL_KNOWN) as response:
            listed = IssuerDirectory.from_json(await response.read())
        key = blind_rsa.load_public_key(listed.token_keys[1].public_key)
        yield Issuer(role, url + "/token-request", tmp_path, account, key)


def unread(worker: int) -> int:
    """Return how many bytes the issuer has written to a stopped worker."""
    with Path(f"/proc/{worker}/fd/0").open("rb") as pipe:
        size = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, size)
        return size[0]


async def ask(issuer: Issuer, count: int) -> int:
    """Ask for `count` tokens and verify what comes; return the status."""
    asked = ask_batch(count, issuer.key)
    headers = issuer.account | asked.headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(issuer.url, data=asked.body, headers=headers) as response,
    ):
        body = await response.read()
        if response.status == 200:
            for token in asked.tokens(body):
                blind_rsa.verify(token, issuer.key, CHALLENGE.digest())
        else:
            assert response.content_type == "application/problem+json"
            assert int(response.headers["Retry-After"]) > 0
        return response.status


async def test_an_hsm_that_dies_in_the_middle_costs_nobody_anything(issuer: Issuer) -> None:
    assert await ask(issuer, 10) == 200
    assert charged(issuer.folder) == [10]
    dying = issuer.worker
    os.kill(dying, signal.SIGSTOP)
    asking = asyncio.create_task(ask(issuer, 50))
    while not unread(dying):  # noqa: ASYNC110 (only its pipe tells)
        await asyncio.sleep(0.01)
    assert charged(issuer.folder) == [60]
    os.kill(dying, signal.SIGKILL)
    assert await asking == 503
    assert charged(issuer.folder) == [10]
    _, metrics = await issuer.role.admin("/metrics")
    assert 'tacita_issuer_requests_total{result="signer_gone"} 1.0' in metrics
    async with asyncio.timeout(30):
        while await ask(issuer, 10) != 200:  # noqa: ASYNC110 (only an answer tells)
            await asyncio.sleep(0.1)
    assert charged(issuer.folder) == [20]
    assert await issuer.role.stop() == 0
    # The folder says which key is which, and holds no secret.
    assert not any(b"PRIVATE" in file.read_bytes() for file in (issuer.folder / "keys").glob("*.key"))


async def test_a_token_that_is_taken_away_is_503_until_it_is_back(issuer: Issuer) -> None:
    softhsm.token().unplug()
    try:
        os.kill(issuer.worker, signal.SIGKILL)
        for _ in range(2):
            assert await ask(issuer, 5) == 503
        assert charged(issuer.folder) in ([], [0])
    finally:
        softhsm.token().plug_in()
    async with asyncio.timeout(30):
        while await ask(issuer, 5) != 200:  # noqa: ASYNC110 (only an answer tells)
            await asyncio.sleep(0.1)
    assert charged(issuer.folder) == [5]
