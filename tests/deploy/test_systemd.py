"""deploy/systemd: one unit a role, hardened, and in systemd's own opinion correct."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.samples import DEPLOY, SAMPLES, Sample

from tacita.service.run import EXIT_CONFIG

FOLDER = DEPLOY / "systemd"
BY_ROLE = {sample.role: sample for sample in SAMPLES if sample.path.parent.name == "config"}

EVERYWHERE = {
    "Type": "notify",
    "NotifyAccess": "main",
    "ExecReload": "/bin/kill -HUP $MAINPID",
    "WatchdogSec": "60",
    "DynamicUser": "yes",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "LimitCORE": "0",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "RestartPreventExitStatus": str(EXIT_CONFIG),
}


def settings(role: str) -> dict[str, list[str]]:
    """Return the settings of the unit's [Service] section, each with its values in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (FOLDER / f"tacita-{role}.service").read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_there_is_one_unit_a_role() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"tacita-{role}.service" for role in BY_ROLE}


@pytest.mark.parametrize("role", BY_ROLE)
def test_a_unit_is_hardened(role: str) -> None:
    found = settings(role)
    assert {name: found.get(name) for name in EVERYWHERE} == {name: [v] for name, v in EVERYWHERE.items()}
    assert found["SystemCallFilter"][0] == "@system-service"
    assert "~@privileged" in found["SystemCallFilter"][1]
    assert not {"Environment", "EnvironmentFile", "User", "ReadWritePaths"} & set(found)


@pytest.mark.parametrize("role", BY_ROLE)
def test_a_unit_starts_its_role_from_its_own_folder(role: str) -> None:
    found = settings(role)
    scripts = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert found["ExecStart"] == [f"/opt/tacita/bin/tacita-{role} --config %S/tacita-{role}/{role}.toml"]
    assert f"tacita-{role}" in scripts
    assert found["StateDirectory"][0].split()[0] == f"tacita-{role}"


@pytest.mark.parametrize("role", BY_ROLE)
def test_the_folders_that_the_sample_names_are_made(role: str) -> None:
    sample = BY_ROLE[role]
    base = sample.path.parent
    needed = {
        f"tacita-{role}/{path.parent.relative_to(base)}"
        for path in _paths(sample.load())
        if path.is_absolute()
    }
    made = settings(role)["StateDirectory"][0].split()
    assert {folder for folder in needed if not folder.endswith("/.")} <= set(made)


def _paths(value: object) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    if isinstance(value, list | tuple):
        return [path for one in value for path in _paths(one)]
    names = getattr(value, "__struct_fields__", ())
    return [path for name in names for path in _paths(getattr(value, name))]


@pytest.mark.parametrize("role", BY_ROLE)
def test_a_unit_gives_the_role_the_time_to_drain(role: str) -> None:
    sample: Sample = BY_ROLE[role]
    config = sample.load()
    needed = getattr(config, "drain_seconds", 0) + getattr(config, "drain_notice_seconds", 0)
    assert float(settings(role)["TimeoutStopSec"][0]) >= needed + 5


def test_the_node_talks_to_this_machine_alone() -> None:
    found = settings("node")
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == (["any"], ["localhost"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("role", BY_ROLE)
def test_systemd_finds_no_fault(role: str, tmp_path: Path) -> None:
    # What is started has to exist, or systemd says so.
    text = (FOLDER / f"tacita-{role}.service").read_text()
    unit = tmp_path / f"tacita-{role}.service"
    unit.write_text(text.replace(f"/opt/tacita/bin/tacita-{role}", "/bin/true"))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert rated.returncode == 0, rated.stdout + rated.stderr
