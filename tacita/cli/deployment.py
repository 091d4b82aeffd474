"""A deployment on one machine as files in a state folder: configurations, keys, endpoints.json.

Each start makes everything in the folder anew, so that nothing of an earlier run (spent
tokens, accounts, keys) is left.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacita.cli import folder as state_folder
from tacita.cli.ports import free_ports
from tacita.errors import ConfigError
from tacita.net.urls import origin_of
from tacita.service.keyfiles import write_secret

__all__ = ["Deployment", "Process", "to_toml"]

_ACCOUNT = "first"
_TOKENS_PER_DAY = 10_000
_MODEL = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the deployment: its name, the role that it runs, its configuration, its two origins."""

    name: str
    role: str
    config: Path
    public: str
    admin: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was written: the processes to start, and what clients and operators need to know."""

    folder: Path
    processes: tuple[Process, ...]
    endpoints: Mapping[str, Mapping[str, str]]

    @property
    def account(self) -> list[str]:
        """The issuer's arguments that make the first account and its credential file."""
        config = next(one.config for one in self.processes if one.role == "issuer")
        return [
            "account",
            "add",
            _ACCOUNT,
            "--config",
            str(config),
            "--key-file",
            self.endpoints["issuer"]["credential"],
        ]

    def announce(self) -> Path:
        """Write endpoints.json: the deployment is there to be used. Returns its path."""
        path = self.folder / "endpoints.json"
        write_secret(path, (json.dumps(self.endpoints, indent=2) + "\n").encode())
        return path

    @classmethod
    def create(cls, folder: Path, target: str | None) -> "Deployment":
        """Write a fresh deployment into `folder`, with `target` (a URL) in the node's place if given.

        Raises:
            ConfigError: the folder is not ours or cannot be written, or `target` is no such URL.
        """
        plan = _Plan.make(target)
        state_folder.clear(folder)
        processes = []
        try:
            (folder / "logs").mkdir(mode=0o700)
            for name, table in plan.tables().items():
                (folder / name).mkdir(mode=0o700)
                path = folder / f"{name}.toml"
                path.write_text(to_toml(table), encoding="utf-8")
                role = "relay" if name == "mirror" else name
                place: _Place = getattr(plan, name)
                processes.append(Process(name, role, path, place.url, place.admin))
        except OSError as error:
            raise ConfigError(f"The folder {folder} cannot be written: {error.strerror}.") from None
        return cls(folder, tuple(processes), plan.endpoints(folder))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a process listens: its public and its admin port on loopback."""

    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def listen(self) -> dict[str, dict[str, int]]:
        return {"listen": {"port": self.port}, "admin": {"port": self.admin_port}}

    @property
    def mirror(self) -> dict[str, str]:
        base = f"{self.url}/gateway"
        return {
            "gateway_keys": f"{base}/keys",
            "challenge": f"{base}/challenge",
            "issuer_directory": f"{base}/issuer-directory",
        }


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who listens where, and what follows from it. `target` is None where the node is the target."""

    issuer: _Place
    relay: _Place
    mirror: _Place
    gateway: _Place
    node: _Place
    target: str | None

    @classmethod
    def make(cls, target: str | None) -> "_Plan":
        """Choose the ports. Raises `ConfigError` for a target that is not an http or https URL."""
        if target is not None:
            # What OpenAI's own clients call the base URL ends in /v1.
            target = target.rstrip("/").removesuffix("/v1")
            origin_of(target)
        ports = iter(free_ports(10))
        issuer, relay, mirror, gateway, node = (_Place(next(ports), next(ports)) for _ in range(5))
        return cls(issuer, relay, mirror, gateway, node, target)

    @property
    def _directory(self) -> str:
        return f"{self.issuer.url}/.well-known/private-token-issuer-directory"

    @property
    def _messages(self) -> str:
        return f"{self.gateway.url}/.well-known/ohttp-gateway"

    @property
    def _challenge(self) -> str:
        return f"{self.gateway.url}/challenge"

    def endpoints(self, folder: Path) -> dict[str, dict[str, str]]:
        """Return endpoints.json: what clients need, and where operators look."""
        endpoints = {
            "issuer": {
                "directory": self._directory,
                "token_request": f"{self.issuer.url}/token-request",
                "credential": str(folder / "issuer.credential"),
                "admin": self.issuer.admin,
            },
            "relay": {
                "messages": f"{self.relay.url}/gateway",
                **self.relay.mirror,
                "admin": self.relay.admin,
            },
            "mirror": {**self.mirror.mirror, "admin": self.mirror.admin},
            "gateway": {
                "messages": self._messages,
                "keys": self._messages,
                "challenge": self._challenge,
                "admin": self.gateway.admin,
            },
        }
        if self.target is not None:
            return {**endpoints, "target": {"url": self.target}}
        return {
            **endpoints,
            "node": {"admin": self.node.admin},
            "target": {"url": self.node.url, "model": _MODEL},
        }

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the configuration of each process."""
        origin = origin_of(self.target or self.node.url)
        gateway = {
            "name": "gateway",
            "url": self._messages,
            "challenge_url": self._challenge,
            "issuer_directory_url": self._directory,
        }
        tables: dict[str, dict[str, Any]] = {
            "issuer": {
                "public_url": self.issuer.url,
                "attester": {"kind": "api-key", "accounts": "issuer/accounts.json"},
                **self.issuer.listen,
                "keys": {"folder": "issuer/keys", "create_key": True},
                "quota": {"database": "issuer/quota.sqlite", "hash_key": "issuer/quota.key"},
                "tiers": {"standard": _TOKENS_PER_DAY},
            },
            "relay": {**self.relay.listen, "gateways": [gateway]},
            "mirror": {**self.mirror.listen, "gateways": [{**gateway, "mirror_only": True}]},
            "gateway": {
                "authority": origin.partition("://")[2],
                **self.gateway.listen,
                "keys": {"state": "gateway/chain.key", "kems": ["xwing", "x25519"]},
                "issuers": [
                    {
                        "name": self.issuer.url.partition("://")[2],
                        "directory": self.mirror.mirror["issuer_directory"],
                    }
                ],
                "store": {"sqlite": "gateway/spent.sqlite"},
                "targets": [{"origin": origin, "private": True}],
            },
        }
        if self.target is None:
            tables["node"] = {"model_name": _MODEL, **self.node.listen}
        return tables


def to_toml(table: Mapping[str, Any]) -> str:
    """Return `table` as TOML: strings, numbers, booleans, lists of these, tables and lists of tables."""
    return "\n".join(_lines("", table)) + "\n"


def _lines(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, dict | list) or _is_array(value):
            # JSON's strings, numbers, booleans and arrays of these are TOML's.
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ("", f"[{path}{key}]")
            yield from _lines(f"{path}{key}.", value)
        elif isinstance(value, list) and not _is_array(value):
            for entry in value:
                yield from ("", f"[[{path}{key}]]")
                yield from _lines(f"{path}{key}.", entry)


def _is_array(value: object) -> bool:
    return isinstance(value, list) and not any(isinstance(entry, dict) for entry in value)
