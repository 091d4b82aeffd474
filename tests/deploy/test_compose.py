"""deploy/compose.yaml: its services fit their configurations and each other, and they answer."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import processes, yaml_subset
from support.redis_server import RedisServer
from support.samples import DEPLOY, SAMPLES

from gateway.stores import open_store
from tacita.cli.ports import free_ports
from tacita.client.endpoints import Endpoints

COMPOSE: dict[str, Any] = yaml_subset.parse((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = sorted(set(SERVICES) - {"redis"})
CONFIGS = {sample.path.stem: sample for sample in SAMPLES if sample.path.parent.name == "compose"}


def toml(service: str) -> dict[str, Any]:
    return tomllib.loads(CONFIGS[service].path.read_text())


def test_the_services_are_all_parties() -> None:
    assert set(OURS) == {"issuer", "relay", "mirror", "gateway", "node"} == set(CONFIGS)


@pytest.mark.parametrize("service", OURS)
def test_a_command_starts_its_role_with_its_configuration(service: str) -> None:
    command, *arguments = SERVICES[service]["command"]
    scripts = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert command == f"tacita-{CONFIGS[service].role}"
    assert command in scripts
    inside = f"/etc/tacita/{service}.toml"
    assert arguments == ["--config", inside]
    mounts = [one.split(":") for one in SERVICES[service]["volumes"]]
    (mounted,) = [mount for mount in mounts if mount[1] == inside]
    assert (DEPLOY / mounted[0]).resolve() == CONFIGS[service].path
    assert mounted[2] == "ro"


@pytest.mark.parametrize("service", OURS)
def test_ports_are_those_of_the_configuration_and_of_the_sample(service: str) -> None:
    config = toml(service)
    listen, admin = config["listen"]["port"], config["admin"]["port"]
    for published in SERVICES[service].get("ports", []):
        assert published == f"127.0.0.1:{listen}:{listen}"
    assert f"http://127.0.0.1:{admin}/readyz" in SERVICES[service]["healthcheck"]["test"][-1]
    # Nobody outside of the container reaches the operator's port.
    assert "host" not in config["admin"]
    if service != "mirror":
        sample = tomllib.loads((DEPLOY / "config" / f"{service}.toml").read_text())
        assert (sample["listen"]["port"], sample["admin"]["port"]) == (listen, admin)


@pytest.mark.parametrize("service", OURS)
def test_a_service_shares_a_network_with_everything_that_it_connects_to(service: str) -> None:
    for url in re.findall(r'"((?:https?|redis)://[^"]+)"', CONFIGS[service].path.read_text()):
        parts = urlsplit(url)
        if parts.hostname == "127.0.0.1":
            continue  # an address for people, not one that the service connects to
        assert set(SERVICES[service]["networks"]) & set(SERVICES[str(parts.hostname)]["networks"]), url
        if parts.hostname != "redis":
            assert parts.port == toml(str(parts.hostname))["listen"]["port"]


def test_only_the_gateway_reaches_the_node_and_redis() -> None:
    for hidden in ("node", "redis"):
        near = {
            name for name, one in SERVICES.items() if set(one["networks"]) & set(SERVICES[hidden]["networks"])
        }
        assert near == {hidden, "gateway"}
        assert "ports" not in SERVICES[hidden]
    assert "ports" not in SERVICES["gateway"]
    assert not set(SERVICES["gateway"]["networks"]) & set(SERVICES["issuer"]["networks"])


def test_networks_and_volumes_are_declared_and_closed() -> None:
    used = {network for one in SERVICES.values() for network in one["networks"]}
    assert used == set(COMPOSE["networks"])
    assert {name for name, one in COMPOSE["networks"].items() if not one.get("internal")} == {"clients"}
    named = {mount.split(":")[0] for one in SERVICES.values() for mount in one.get("volumes", [])}
    assert {name for name in named if not name.startswith("./")} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_can_do_no_more_than_it_needs(service: str) -> None:
    one = SERVICES[service]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "environment", "env_file", "cap_add", "network_mode", "devices", "pid"} & set(
        one
    )
    assert not [mount for mount in one.get("volumes", []) if "docker.sock" in mount]
    assert "user" in one or one["build"]["dockerfile"] == "deploy/Dockerfile"  # whose USER is not root
    assert ":" in one["image"]
    assert not one["image"].endswith(":latest")


@pytest.mark.parametrize("service", OURS)
def test_a_container_is_given_the_time_to_drain(service: str) -> None:
    config: Any = CONFIGS[service].load()
    needed = config.drain_seconds + getattr(config, "drain_notice_seconds", 0)
    assert float(SERVICES[service]["stop_grace_period"].removesuffix("s")) >= needed + 5


def redis_options() -> dict[str, str]:
    _, *arguments = SERVICES["redis"]["command"]
    names, values = arguments[::2], arguments[1::2]
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


async def test_the_gateway_takes_redis_as_it_is_started() -> None:
    options = redis_options()
    assert (options["appendonly"], options["maxmemory-policy"]) == ("yes", "noeviction")
    with RedisServer(**options) as server:
        store = await open_store(server.address)
        await store.check()
        await store.close()


@pytest.mark.e2e
async def test_what_is_described_answers_a_question(tmp_path: Path) -> None:
    """The five configurations as processes on this machine, with Redis as it is started there."""
    ports = {service: free_ports(2) for service in OURS}
    places = {}
    for service, (port, _) in ports.items():
        # Each service under its name among the others, and as this machine sees it.
        for host in (service, "127.0.0.1"):
            places[f"{host}:{toml(service)['listen']['port']}"] = f"127.0.0.1:{port}"
    texts = {service: _on_this_machine(service, ports, places) for service in OURS}
    state = tmp_path / "client"
    state.mkdir()
    endpoints = _replaced((DEPLOY / "compose" / "endpoints.json").read_text(), places)
    (state / "endpoints.json").write_text(endpoints)
    Endpoints.load(state / "endpoints.json")
    with RedisServer(**redis_options()) as server:
        async with AsyncExitStack() as stack:
            roles = []
            for service in OURS:
                folder = tmp_path / service
                folder.mkdir()
                here = {"/var/lib/tacita": str(folder), "redis://redis:6379/0": server.address}
                text = _replaced(texts[service], here)
                role = await processes.start(
                    CONFIGS[service].role, text, folder, admin_port=ports[service][1]
                )
                stack.callback(_kill, role)
                roles.append(role)
            for role in roles:
                await asyncio.wait_for(role.wait_ready(), 60)
            issuer = [sys.executable, "-m", "issuer", "account", "add", "first", "--config"]
            issuer += [
                str(tmp_path / "issuer" / "issuer.toml"),
                "--key-file",
                str(state / "issuer.credential"),
            ]
            await asyncio.to_thread(subprocess.run, issuer, check=True)
            ask = [sys.executable, "-m", "tacita.cli.main", "ask", "--state", str(state), "Why?", "--json"]
            asked = await asyncio.to_thread(
                subprocess.run, [*ask, "--max-tokens", "8"], capture_output=True, timeout=60
            )
            assert asked.returncode == 0, asked.stderr.decode()
            assert json.loads(asked.stdout)["answer"]
            assert server.ask("KEYS", "spent:*")
            assert [await role.stop() for role in roles] == [0] * len(roles)


def _on_this_machine(service: str, ports: dict[str, list[int]], places: dict[str, str]) -> str:
    text = CONFIGS[service].path.read_text()
    config = toml(service)
    for table, port in zip(("listen", "admin"), ports[service], strict=True):
        text = text.replace(f"port = {config[table]['port']}\n", f"port = {port}\n")
    text = text.replace('host = "0.0.0.0"', 'host = "127.0.0.1"').replace("drain_notice_seconds = 5.0", "")
    return _replaced(text, places)


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def _kill(role: processes.Role) -> None:
    if role.process.returncode is None:
        role.process.kill()
