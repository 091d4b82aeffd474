"""One run of a whole deployment, everything recorded: what passed between the parties and what they wrote.

The client comes from an address of its own, 127.0.0.77, with an account of its own. First
it asks as people do, a real model and a target that repeats what it is told; what passed on
each connection until then is in `Evidence.wire`. Then everything goes wrong that a peer can
make go wrong, each time with a secret in the place where a careless program would write
it down. `Evidence.written` is all that the roles left: output, files, metrics.
"""

import asyncio
import json
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support import deployments, mischief
from support.asking import Client, coming_from, request
from support.canaries import Canaries, contents, windows
from support.deployments import Roles
from support.taps import Tap, tapped
from support.targets import Received, Target, plain, reserved_port

from tacita.bhttp import Request, encode_request
from tacita.cli.deployment import Deployment
from tacita.client import chat
from tacita.client.session import Session
from tacita.ohttp import media
from tacita.ohttp.chunked import RequestSealer
from tacita.privacypass.token import Token
from tacita.wire import base64url

__all__ = ["ADDRESS", "ROLES", "Evidence", "Scene", "View", "play"]

ADDRESS = "127.0.0.77"
"""Where the client is."""
ROLES = ("issuer", "relay", "mirror", "gateway", "node")


@dataclass(frozen=True)
class View:
    """What passed between one role and those who connect to it."""

    peers: set[str]
    sent: bytes
    received: bytes
    connections: int

    @property
    def everything(self) -> bytes:
        """The bytes of both directions."""
        return self.sent + b"\n" + self.received


@dataclass(frozen=True)
class Evidence:
    """The record of one run."""

    canaries: Canaries
    spent: list[Token]
    account_id: bytes
    api_key: str
    account: str
    prompt: str
    wire: Mapping[str, View]
    """Each role's connections, and the target's, while everything went as it should."""
    issuer_while_asking: tuple[int, int]
    """Connections to the issuer and bytes on them between the first question and the last answer."""
    sizes: Mapping[str, list[int]]
    """Lengths of the encapsulated requests with contents of 1 to 64 bytes, at relay and gateway."""
    answer_sizes: list[int]
    """Lengths of the encapsulated answers, as the relay sees them, with contents of 1 to 16 bytes."""
    metrics: Mapping[str, bytes]
    written: Mapping[str, Mapping[str, bytes]]
    """By role, all that it wrote, by the place where it stands."""
    open_files: Mapping[str, set[Path]]
    """By role, the regular files that it had open for writing."""
    own_folders: Mapping[str, list[Path]]


def play(folder: Path) -> Evidence:
    """Run everything in `folder`, which is empty; return the record."""
    return asyncio.run(_play(folder))


async def _play(folder: Path) -> Evidence:
    with reserved_port() as port:
        deployment = Deployment.create(folder / "state", None)
        deployments.edit(
            deployment,
            "gateway",
            lambda text: f'{text}\n[[targets]]\norigin = "http://127.0.0.1:{port}"\nprivate = true\n',
        )
        ports = {name: deployments.move(deployment, name) for name in ("issuer", "relay", "gateway", "node")}
        async with AsyncExitStack() as stack:
            taps = {name: await stack.enter_async_context(tapped(*pair)) for name, pair in ports.items()}
            target = await stack.enter_async_context(Target.at(port))
            account = f"canary.account.{secrets.token_hex(8)}"
            await asyncio.to_thread(deployments.run_issuer, deployment.account)
            api_key = await asyncio.to_thread(
                deployments.add_account, deployment, account, folder / "api.key"
            )
            roles = await stack.enter_async_context(_running(deployment))
            with coming_from(ADDRESS):
                run = Scene(folder, roles, taps=taps, target=target, account=account, api_key=api_key)
                return await run.evidence()


@asynccontextmanager
async def _running(deployment: Deployment) -> AsyncIterator[Roles]:
    roles = Roles(deployment)
    try:
        roles.start()
        await asyncio.to_thread(roles.wait_ready)
        deployment.announce()
        yield roles
    finally:
        roles.kill()


class Scene:
    """A running deployment and the secrets of one person who uses it."""

    def __init__(
        self,
        folder: Path,
        roles: Roles,
        *,
        taps: dict[str, Tap],
        target: Target,
        account: str,
        api_key: str,
    ) -> None:
        self.folder = folder
        self.roles = roles
        self.taps = taps
        self.target = target
        self.account = account
        self.api_key = api_key
        self.prompt = _canary("prompt")
        self.reply = _canary("reply")
        self.stray = _canary("stray")
        self.answer = ""
        self.spent: list[Token] = []
        self.unspent: list[Token] = []

    async def evidence(self) -> Evidence:
        client = await Client.of(self.roles.state, self.api_key)
        tokens = [*await client.tokens(70), *await client.tokens(70)]
        before = self._issuer_traffic()
        await self._ask_the_model(client, tokens)
        await self._ask_the_target(client, tokens)
        sizes = await self._measure(client, tokens)
        answer_sizes = await self._measure_answers(client, tokens)
        after = self._issuer_traffic()
        wire = {name: _view(tap) for name, tap in self.taps.items()}
        wire["target"] = _view_of(self.target.received)
        await mischief.disturb_everybody(self)
        await mischief.send_what_cannot_be_opened(self, client)
        await mischief.send_what_cannot_be_forwarded(self, client, tokens)
        await mischief.have_the_target_fail(self, client, tokens)
        await mischief.misuse_the_issuer(self, client)
        await mischief.misuse_the_node(self, client)
        open_files = {name: _open_files(one.pid) for name, one in self.roles.processes.items()}
        metrics = await self._metrics()
        await mischief.kill_the_node(self, client, tokens)
        self.unspent += tokens
        written = self._written("live", metrics)
        codes = await asyncio.to_thread(self.roles.stop)
        assert {code for name, code in codes.items() if name != "node"} == {0}, codes
        for name, files in self._written("after", {}).items():
            written[name].update(files)
        return Evidence(
            canaries=self._canaries(),
            spent=self.spent,
            account_id=self._account_id(),
            api_key=self.api_key,
            account=self.account,
            prompt=self.prompt,
            wire=wire,
            issuer_while_asking=(after[0] - before[0], after[1] - before[1]),
            sizes=sizes,
            answer_sizes=answer_sizes,
            metrics=metrics,
            written=written,
            open_files=open_files,
            own_folders={name: self.roles.folders(name) for name in ROLES},
        )

    def _canaries(self) -> Canaries:
        tokens = [*self.spent, *self.unspent]
        return Canaries(
            {
                "prompt": self.prompt.encode(),
                "answer": [self.reply.encode(), *windows(self.answer.encode())],
                "stray": self.stray.encode(),
                "authenticator": [piece for one in tokens for piece in windows(one.authenticator, 32, 32)],
                "spent nonce": [one.nonce for one in self.spent],
                "unspent nonce": [one.nonce for one in self.unspent],
                "account": self.account.encode(),
                "account id": [self._account_id(), self._account_id().hex().encode()],
                "API key": [self.api_key.encode(), _secret_of(self.api_key)],
                "address": ADDRESS.encode(),
            }
        )

    def _account_id(self) -> bytes:
        document = json.loads((self.roles.state / "issuer" / "accounts.json").read_text())
        (record,) = [one for one in document["accounts"] if one["name"] == self.account]
        return bytes.fromhex(record["id"])

    def _issuer_traffic(self) -> tuple[int, int]:
        tap = self.taps["issuer"]
        return len(tap.passages), sum(len(one.sent) + len(one.received) for one in tap.passages)

    def take(self, tokens: list[Token]) -> Token:
        """Take a token away from `tokens`, to be spent."""
        token = tokens.pop()
        self.spent.append(token)
        return token

    @asynccontextmanager
    async def session(self, client: Client, tokens: list[Token]) -> AsyncIterator[Session]:
        """Open a session of the real client over one token."""
        wallet = self.folder / f"{secrets.token_hex(4)}.wallet"
        async with client.session(wallet, [self.take(tokens)]) as session:
            yield session

    # As it should be.

    async def _ask_the_model(self, client: Client, tokens: list[Token]) -> None:
        message = {"role": "user", "content": f"Repeat this and explain it: {self.prompt}"}
        async with self.session(client, tokens) as session:
            pieces = chat.stream(session, client.endpoints.target.model, [message], max_tokens=48)
            async with aclosing(pieces):
                self.answer = "".join([piece async for piece in pieces])
        assert len(self.answer) > 20

    async def _ask_the_target(self, client: Client, tokens: list[Token]) -> None:
        for ask in (client.chunked, client.one_shot):
            self.target.answer = plain(self.reply.encode(), fields=b"X-Said: %b\r\n" % self.reply.encode())
            answer = await ask(self.inner(self.take(tokens)))
            assert (answer.head.status, answer.content) == (200, self.reply.encode())

    def inner(self, token: Token | None, *fields: tuple[bytes, bytes]) -> Request:
        """Return a request to the target with the prompt in every part of it."""
        content = json.dumps({"content": self.prompt}).encode()
        path = f"/v1/{self.prompt}?q={self.prompt}"
        prompted = (b"x-prompt", self.prompt.encode())
        return request(self.target.url, token, content, prompted, *fields, path=path)

    async def _measure(self, client: Client, tokens: list[Token]) -> dict[str, list[int]]:
        self.target.answer = plain()
        wallet = self.folder / "measure.wallet"
        asked = [self.take(tokens) for _ in range(64)]
        before = {name: _lengths(self.taps[name]) for name in ("relay", "gateway")}
        async with client.session(wallet, asked) as session:
            for length in range(1, 65):
                question = request(self.target.url, None, b"x" * length)
                async with session.send(question.head, question.content) as answer:
                    assert [piece async for piece in answer.pieces()]
        # Connections are taken at random: their order says nothing, only how often each length came.
        return {name: sorted((_lengths(self.taps[name]) - before[name]).elements()) for name in before}

    async def _measure_answers(self, client: Client, tokens: list[Token]) -> list[int]:
        found = []
        for length in range(1, 17):
            self.target.answer = plain(b"x" * length)
            sealer = RequestSealer(client.trust.key_config)
            message = encode_request(request(self.target.url, self.take(tokens)))
            body = sealer.header() + sealer.finish(message)
            outer = await client.outer(body, media.CHUNKED_REQUEST)
            assert outer.status == 200
            found.append(len(outer.body))
        return found

    async def _metrics(self) -> dict[str, bytes]:
        found = {}
        for process in self.roles.deployment.processes:
            status, found[process.name] = await asyncio.to_thread(deployments.get, f"{process.admin}/metrics")
            assert status == 200
        return found

    def _written(self, when: str, metrics: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for name in ROLES:
            found[name] = {
                f"{when}:{folder.name}/{path.relative_to(folder)}": content
                for folder in self.roles.folders(name)
                for path, content in contents(folder).items()
            }
            if name in metrics:
                found[name]["/metrics"] = metrics[name]
        return found


def _canary(name: str) -> str:
    return f"canary-{name}-{secrets.token_hex(12)}"


def _secret_of(api_key: str) -> bytes:
    return base64url.decode(api_key.partition("_")[2])


def _view(tap: Tap) -> View:
    return View(set(tap.peers), tap.sent, tap.received, len(tap.passages))


def _view_of(received: list[Received]) -> View:
    sent = b"\n".join(one.head + one.body for one in received)
    return View({one.peer for one in received}, sent, b"", len(received))


def _lengths(tap: Tap) -> Counter[int]:
    """Return how often each Content-Length of a message was posted."""
    lines = [line for line in tap.sent.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return Counter(int(line.partition(b":")[2]) for line in lines)


def _open_files(pid: int) -> set[Path]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            place = link.readlink()
            flags = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split("flags:\t")[1].split()[0]
        except OSError:
            continue
        if place.is_file() and int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
            found.add(place)
    return found
