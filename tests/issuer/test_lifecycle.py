"""Keys that turn over in running issuers: several processes, one folder, periods of four seconds."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support import processes
from support.issuers import Asked, add_account, ask_one, config_text
from support.ports import free_ports

from issuer.directory import WELL_KNOWN
from issuer.key_folder import KeyFolder
from issuer.key_types import types_named
from issuer.keys import IssuerKeys
from issuer.token_requests import PATH
from tacita.crypto.keyring import Schedule
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.types import blind_rsa
from tacita.service.run import EXIT_CONFIG

pytestmark = pytest.mark.e2e

PERIOD = 4
EPOCHS = 4
SCHEDULE = Schedule(PERIOD)


@dataclass
class Issuer:
    """A process with files of its own and the folder of keys that it shares with the others."""

    folder: Path
    port: int
    admin_port: int

    @classmethod
    def make(cls, folder: Path, number: int) -> "Issuer":
        own = folder / f"issuer-{number}"
        own.mkdir()
        return cls(own, *free_ports(2))

    @property
    def keys(self) -> Path:
        return self.folder.parent / "keys"

    def text(self, period: int = PERIOD) -> str:
        text = config_text(port=self.port, admin_port=self.admin_port, quota=10**6, key_period=period)
        return text.replace('"accounts.json"', '"../accounts.json"').replace('"keys"', '"../keys"')

    @asynccontextmanager
    async def running(self, period: int = PERIOD) -> AsyncIterator[processes.Role]:
        text = self.text(period)
        async with processes.role("issuer", text, self.folder, admin_port=self.admin_port) as role:
            yield role

    async def start(self, period: int = PERIOD) -> processes.Role:
        return await processes.start("issuer", self.text(period), self.folder, admin_port=self.admin_port)

    async def directory(self, session: aiohttp.ClientSession) -> bytes:
        async with session.get(f"http://127.0.0.1:{self.port}{WELL_KNOWN}") as response:
            assert response.status == 200
            return await response.read()

    async def ask(
        self, session: aiohttp.ClientSession, asked: Asked, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.port}{PATH}"
        async with session.post(url, data=asked.body, headers=headers | asked.headers) as response:
            return response.status, await response.read()


@pytest.fixture
def issuers(tmp_path: Path) -> list[Issuer]:
    return [Issuer.make(tmp_path, number) for number in range(4)]


class Watch:
    """Looks at all directories at once, over and over: whatever was shown has to fit."""

    def __init__(self, issuers: list[Issuer], session: aiohttp.ClientSession) -> None:
        self._issuers = issuers
        self._session = session
        self._keys: dict[int, bytes] = {}
        self.epochs: set[int] = set()
        """Those in which all were seen to show the same."""

    async def look(self) -> None:
        began = time.time()
        shown = await asyncio.gather(*(one.directory(self._session) for one in self._issuers))
        epoch = SCHEDULE.epoch(began)
        for key in (key for body in shown for key in IssuerDirectory.from_json(body).token_keys):
            assert key.not_before is not None
            # One epoch has one key, whoever shows it and whenever.
            assert self._keys.setdefault(key.not_before, key.public_key) == key.public_key
        if SCHEDULE.epoch(time.time()) != epoch or began < SCHEDULE.start(epoch) + PERIOD / 4:
            return
        assert set(shown) == {shown[0]}
        listed = [key.not_before for key in IssuerDirectory.from_json(shown[0]).token_keys]
        wanted = [SCHEDULE.start(each) for each in SCHEDULE.live(began)]
        assert listed in (wanted, wanted[:2])  # in the first epoch of all there is no older one
        self.epochs.add(epoch)


class Client:
    """Gets tokens by the directory of one process from another; a refusal has to have a boundary in it."""

    def __init__(
        self, issuers: list[Issuer], session: aiohttp.ClientSession, credential: dict[str, str]
    ) -> None:
        self._issuers = issuers
        self._session = session
        self._credential = credential
        self.tokens = 0
        self.refused = 0

    async def ask(self) -> None:
        shows, issues = random.choices(self._issuers, k=2)
        directory = IssuerDirectory.from_json(await shows.directory(self._session))
        chosen = time.time()
        entry = directory.current_key(blind_rsa.TOKEN_TYPE, chosen)
        asked = ask_one(blind_rsa.load_public_key(entry.public_key))
        status, body = await issues.ask(self._session, asked, self._credential)
        if status == 200:
            self.tokens += len(asked.tokens(body))
        else:
            assert status == 422, body
            assert b"fetch the directory again" in body
            assert entry.not_before is not None
            assert SCHEDULE.epoch(time.time()) > SCHEDULE.epoch(entry.not_before)
            self.refused += 1


async def test_four_processes_turn_over_together_and_drop_nothing(
    issuers: list[Issuer], tmp_path: Path
) -> None:
    credential = add_account(tmp_path, "alice")
    async with AsyncExitStack() as stack:
        starts = [stack.enter_async_context(one.running()) for one in issuers]
        roles = await asyncio.gather(*starts)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        watch, client = Watch(issuers, session), Client(issuers, session, credential)
        killed = False
        while len(watch.epochs) < EPOCHS:
            await asyncio.gather(watch.look(), *(client.ask() for _ in range(4)))
            if not killed and len(watch.epochs) == 2:
                # One dies in the middle of whatever it does, and another takes its place.
                roles[0].process.kill()
                await roles[0].process.wait()
                roles[0] = await stack.enter_async_context(issuers[0].running())
                killed = True
        codes = await asyncio.gather(*(role.stop() for role in roles))
    assert set(codes) == {0}
    assert client.tokens > 10 * EPOCHS
    for role in roles:
        assert "internal_error" not in role.output()
        assert "key_folder_lost" not in role.output()
    # Each key was made by one of them, and destroyed by one.
    left = {name.epoch for name in KeyFolder(tmp_path / "keys").look().keys}
    assert min(left) >= max(watch.epochs) - 1
    assert len(left) <= 4


async def test_a_clock_that_was_set_back_ends_a_running_issuer(issuers: list[Issuer]) -> None:
    issuer, period = issuers[0], 1000
    async with issuer.running(period) as role:
        # To the process it is the same whether its clock went back or the record is of a later epoch.
        KeyFolder(issuer.keys).record(period, Schedule(period).epoch(time.time()) + 2)
        assert await asyncio.wait_for(role.process.wait(), 30) == EXIT_CONFIG
        said = role.output()
    assert said.splitlines()[-1].startswith("tacita-issuer: The clock stands before a boundary")

    again = await issuer.start(period)
    assert await asyncio.wait_for(again.process.wait(), 30) == EXIT_CONFIG
    assert "The clock stands before a boundary" in again.output()
    assert again.output().count("\n") == 1


async def test_a_clock_that_is_far_ahead_destroys_nothing_until_the_operator_says_so(
    issuers: list[Issuer],
) -> None:
    issuer, period = issuers[0], 1000
    old = IssuerKeys(
        KeyFolder(issuer.keys),
        types_named(["blind-rsa"]),
        Schedule(period),
        clock=lambda: time.time() - 3 * period,
        prepare=False,
    )
    old.turn()
    before = sorted(path.name for path in issuer.keys.iterdir())
    refused = await issuer.start(period)
    assert await asyncio.wait_for(refused.process.wait(), 30) == EXIT_CONFIG
    assert "tacita keys rotate --accept-gap" in refused.output()
    assert sorted(path.name for path in issuer.keys.iterdir()) == before

    command = ("-m", "issuer", "key", "rotate", "--accept-gap")
    rotate = await processes.start(
        "issuer", issuer.text(period), issuer.folder, admin_port=issuer.admin_port, command=command
    )
    assert await asyncio.wait_for(rotate.process.wait(), 30) == 0
    assert rotate.output().count("made ") == rotate.output().count("destroyed ") == 2
    async with issuer.running(period) as role:
        assert await role.stop() == 0


async def test_replaced_keys_are_taken_up_without_a_restart(issuers: list[Issuer], tmp_path: Path) -> None:
    credential, period = add_account(tmp_path, "alice"), 1000
    async with issuers[0].running(period), issuers[1].running(period), aiohttp.ClientSession() as session:
        before = await issuers[0].directory(session)
        assert await issuers[1].directory(session) == before
        key = IssuerDirectory.from_json(before).current_key(blind_rsa.TOKEN_TYPE, time.time())
        IssuerKeys(
            KeyFolder(tmp_path / "keys"), types_named(["blind-rsa"]), Schedule(period), prepare=False
        ).replace()
        after = before
        while after == before or await issuers[1].directory(session) != after:
            await asyncio.sleep(0.02)
            after = await issuers[0].directory(session)
        asked = ask_one(blind_rsa.load_public_key(key.public_key))
        assert (await issuers[0].ask(session, asked, credential))[0] == 422
        key = IssuerDirectory.from_json(after).current_key(blind_rsa.TOKEN_TYPE, time.time())
        asked = ask_one(blind_rsa.load_public_key(key.public_key))
        status, body = await issuers[1].ask(session, asked, credential)
        assert status == 200
        assert len(asked.tokens(body)) == 1


async def test_an_issuer_goes_on_while_its_folder_is_away(issuers: list[Issuer], tmp_path: Path) -> None:
    credential, period = add_account(tmp_path, "alice"), 1000
    async with issuers[0].running(period) as role, aiohttp.ClientSession() as session:
        issuers[0].keys.rename(tmp_path / "away")
        while "key_folder_lost" not in role.output():  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0.02)
        directory = IssuerDirectory.from_json(await issuers[0].directory(session))
        key = directory.current_key(blind_rsa.TOKEN_TYPE, time.time())
        asked = ask_one(blind_rsa.load_public_key(key.public_key))
        assert (await issuers[0].ask(session, asked, credential))[0] == 200
        (tmp_path / "away").rename(issuers[0].keys)
        while "key_folder_regained" not in role.output():  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0.02)
        assert await role.stop() == 0
