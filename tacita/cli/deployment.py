"""A deployment on one machine as files in a state folder: configurations, keys, endpoints.json.

The folder is ours as a whole: it has a marker file, and each start makes everything in it
anew, so that nothing of an earlier run (spent tokens, accounts, keys) is left.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacita.cli.ports import free_ports
from tacita.errors import ConfigError
from tacita.service.config import origin_of
from tacita.service.keyfiles import write_secret

__all__ = ["Deployment", "Process"]

_MARKER = ".tacita-deployment"
_ACCOUNT = "first"
_TOKENS_PER_DAY = 10_000
_MODEL = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the deployment: its name, the role that it runs, its configuration, its admin URL."""

    name: str
    role: str
    config: Path
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
            ConfigError: the folder holds something else, or cannot be written.
        """
        _claim(folder)
        ports = iter(free_ports(10))
        issuer, relay, mirror, gateway, node = ((next(ports), next(ports)) for _ in range(5))
        node_url = _url(node[0]) if target is None else target.rstrip("/").removesuffix("/v1")
        origin = origin_of(node_url)
        directory = f"{_url(issuer[0])}/.well-known/private-token-issuer-directory"
        messages = f"{_url(gateway[0])}/.well-known/ohttp-gateway"
        gateways = [
            {
                "name": "gateway",
                "url": messages,
                "challenge_url": f"{_url(gateway[0])}/challenge",
                "issuer_directory_url": directory,
            }
        ]
        tables: dict[str, dict[str, Any]] = {
            "issuer": {
                "public_url": _url(issuer[0]),
                "accounts": "issuer/accounts.json",
                **_listen(issuer),
                "keys": {"folder": "issuer/keys", "create_key": True},
                "quota": {"database": "issuer/quota.sqlite", "hash_key": "issuer/quota.key"},
                "tiers": {"standard": _TOKENS_PER_DAY},
            },
            "relay": {**_listen(relay), "gateways": gateways},
            "mirror": {**_listen(mirror), "gateways": [{**gateways[0], "mirror_only": True}]},
            "gateway": {
                "authority": origin.partition("://")[2],
                **_listen(gateway),
                "keys": [{"id": 1, "private_key": "gateway/x25519.key"}],
                "issuer": {
                    "name": _url(issuer[0]).partition("://")[2],
                    "directory": f"{_url(mirror[0])}/gateway/issuer-directory",
                },
                "store": {"sqlite": "gateway/spent.sqlite"},
                "targets": [{"origin": origin}],
            },
        }
        if target is None:
            tables["node"] = {"model_name": _MODEL, **_listen(node)}
        endpoints: dict[str, dict[str, str]] = {
            "issuer": {
                "directory": directory,
                "token_request": f"{_url(issuer[0])}/token-request",
                "credential": str(folder / "issuer.credential"),
                "admin": _url(issuer[1]),
            },
            "relay": {"messages": f"{_url(relay[0])}/gateway", **_mirror(relay[0]), "admin": _url(relay[1])},
            "mirror": {**_mirror(mirror[0]), "admin": _url(mirror[1])},
            "gateway": {
                "messages": messages,
                "keys": messages,
                "challenge": f"{_url(gateway[0])}/challenge",
                "admin": _url(gateway[1]),
            },
            "target": {"url": node_url},
        }
        if target is None:
            endpoints["target"]["model"] = _MODEL
            endpoints["node"] = {"admin": _url(node[1])}
        processes = []
        for name, table in tables.items():
            role = "relay" if name == "mirror" else name
            path = folder / f"{name}.toml"
            path.write_text(to_toml(table))
            (folder / name).mkdir(mode=0o700)
            processes.append(Process(name, role, path, endpoints[name]["admin"]))
        return cls(folder, tuple(processes), endpoints)


def to_toml(table: Mapping[str, Any]) -> str:
    """Return `table` as TOML: strings, numbers, booleans, tables and lists of tables."""
    lines: list[str] = []
    _write(lines, "", table)
    return "\n".join(lines) + "\n"


def _write(lines: list[str], path: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if not isinstance(value, dict | list):
            # JSON's strings, numbers and booleans are TOML's.
            lines.append(f"{key} = {json.dumps(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{path}{key}]"]
            _write(lines, f"{path}{key}.", value)
        elif isinstance(value, list):
            for entry in value:
                lines += ["", f"[[{path}{key}]]"]
                _write(lines, f"{path}{key}.", entry)


def _claim(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = list(folder.iterdir())
        if entries and not (folder / _MARKER).exists():
            raise ConfigError(
                f"The folder {folder} holds something else; name an empty or a new one with --state."
            )
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (folder / _MARKER).touch()
        (folder / "logs").mkdir(mode=0o700)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be used: {error.strerror}.") from None


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _listen(ports: tuple[int, int]) -> dict[str, dict[str, Any]]:
    return {"listen": {"port": ports[0]}, "admin": {"port": ports[1]}}


def _mirror(port: int) -> dict[str, str]:
    base = f"{_url(port)}/gateway"
    return {
        "gateway_keys": f"{base}/keys",
        "challenge": f"{base}/challenge",
        "issuer_directory": f"{base}/issuer-directory",
    }
