"""What a role takes anew while it runs: the TLS files of its ports, and what it does itself on SIGHUP.

    reloading = Reloading()
    loop.add_signal_handler(signal.SIGHUP, reloading.ask)
    context = reloading.context(service.listen)     # what the port is served with
    reloading.begin(service.log, service.reload)    # until `end`

TLS files are taken when they have changed, and on SIGHUP: whoever renews a certificate need not
know of the process. Files that cannot be used, or a certificate without its key yet, leave what is
there in force. A role adds hooks for the rest; one that has none outlives the signal all the same.
The configuration is read again only where a role can take it anew (`Service.reconfigure`).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tacita.errors import TacitaError
from tacita.net import tls
from tacita.service.config import Listen
from tacita.service.logs import Logger

__all__ = ["Hook", "PortTls", "Reloading"]

_LOOK_SECONDS = 1.0

Hook = Callable[[], Awaitable[None]]
"""Takes something anew. An error of the tree says that what was there is still in force."""


class PortTls:
    """The TLS of the port `listen`, whose files may be replaced under it.

    `context` is what the port is served with, for as long as the process lives. Each handshake is
    handed the newest files' own context, which is complete or not there: to load a certificate into
    one that serves would leave it without a key if that is not there yet, and authorities can only
    be added to it. Connections that are open stay as they are.

    Raises:
        ConfigError: a file is missing or not what it should be.
    """

    def __init__(self, listen: Listen, *, client_optional: bool = False) -> None:
        self._listen = listen
        self._client_optional = client_optional
        self._seen = self._stamps()
        self.context = self._newest = self._load()
        # OpenSSL asks at every handshake, whether the client names a server or not.
        self.context.sni_callback = self._hand_over

    def changed(self) -> bool:
        """Say whether a file is another one than when they were last read."""
        return self._stamps() != self._seen

    def reload(self) -> None:
        """Take the files as they are now, for connections to come. Raises `ConfigError`, then keeps all."""
        # Before they are read: what is replaced meanwhile is a change again.
        self._seen = self._stamps()
        self._newest = self._load()

    def _load(self) -> ssl.SSLContext:
        listen = self._listen
        assert listen.tls_certificate is not None
        assert listen.tls_private_key is not None
        return tls.server_context(
            listen.tls_certificate,
            listen.tls_private_key,
            listen.tls_client_authority,
            client_optional=self._client_optional,
        )

    def _hand_over(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._newest

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        listen = self._listen
        paths = (listen.tls_certificate, listen.tls_private_key, listen.tls_client_authority)
        return tuple(_stamp(path) if path is not None else None for path in paths)


class Reloading:
    """Takes anew what changes, and what is asked for, between `begin` and `end`."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._ports: list[PortTls] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Have everything taken anew, soon. Harmless at any time."""
        self._asked.set()

    def context(self, listen: Listen, *, client_optional: bool = False) -> ssl.SSLContext | None:
        """Return what to serve `listen` with, kept up from now on; None without TLS. Raises `ConfigError`."""
        if listen.tls_certificate is None:
            return None
        port = PortTls(listen, client_optional=client_optional)
        self._ports.append(port)
        return port.context

    def begin(self, log: Logger, hooks: Sequence[Hook]) -> None:
        """Look after every context that was given out, and run `hooks` when asked, one after the other."""
        self._task = asyncio.create_task(self._keep(log, hooks))

    def end(self) -> None:
        """Stop that, if it was begun."""
        if self._task is not None:
            self._task.cancel()

    async def _keep(self, log: Logger, hooks: Sequence[Hook]) -> None:
        while True:
            asked = await self._wait()
            for port in self._ports:
                await self._renew(port, log, asked=asked)
            if asked:
                for hook in hooks:
                    await _run(hook, log)
                log.event("reloaded")

    async def _wait(self) -> bool:
        """Return when it was asked for, or there is a file to look at."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS if self._ports else None):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _renew(self, port: PortTls, log: Logger, *, asked: bool) -> None:
        # In a thread: a file system may hang, and reading an RSA key takes its time.
        if not (asked or await asyncio.to_thread(port.changed)):
            return

        async def renew() -> None:
            await asyncio.to_thread(port.reload)

        if await _run(renew, log):
            log.event("tls_files_taken")


async def _run(hook: Hook, log: Logger) -> bool:
    """Say whether `hook` has succeeded; what is wrong with it is logged."""
    try:
        await hook()
    except TacitaError as error:
        log.event("reload_failed", kind=type(error).__name__)
        return False
    except Exception as defect:
        log.internal_error(defect)
        return False
    return True


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what is another for another file, or another content; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
