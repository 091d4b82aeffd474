import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import GatewayConfig
from issuer.config import IssuerConfig
from node.config import NodeConfig
from relay.config import RelayConfig
from tacita.cli.deployment import Deployment, to_toml
from tacita.client.endpoints import Endpoints
from tacita.errors import ConfigError
from tacita.service.config import load

KINDS = {"issuer": IssuerConfig, "relay": RelayConfig, "gateway": GatewayConfig, "node": NodeConfig}


@pytest.mark.parametrize("target", [None, "http://127.0.0.1:8000/v1", "https://models.example/api/v1/"])
def test_each_process_has_a_configuration_that_its_role_takes(tmp_path: Path, target: str | None) -> None:
    deployment = Deployment.create(tmp_path, target)
    names = [process.name for process in deployment.processes]
    assert names == ["issuer", "relay", "mirror", "gateway"] + ([] if target else ["node"])
    ports = set()
    for process in deployment.processes:
        config = load(process.config, KINDS[process.role])
        ports |= {config.listen.port, config.admin.port}
        assert process.public == f"http://127.0.0.1:{config.listen.port}"
        assert process.admin == f"http://127.0.0.1:{config.admin.port}"
    assert len(ports) == 2 * len(names)


def test_clients_can_read_what_is_announced(tmp_path: Path) -> None:
    path = Deployment.create(tmp_path, None).announce()
    assert path.stat().st_mode & 0o777 == 0o600
    endpoints = Endpoints.load(path)
    assert endpoints.gateway is not None
    assert endpoints.target.model == "smollm2-135m-instruct"
    assert json.loads(path.read_text())["node"]["admin"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("target", "url", "origin"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://models.example:443/api/v1", "https://models.example:443/api", "https://models.example"),
    ],
)
def test_a_target_is_named_with_or_without_v1(tmp_path: Path, target: str, url: str, origin: str) -> None:
    deployment = Deployment.create(tmp_path, target)
    assert deployment.endpoints["target"]["url"] == url
    config = load(tmp_path / "gateway.toml", GatewayConfig)
    assert [one.origin for one in config.targets] == [origin]
    assert config.authority == origin.partition("://")[2]


@pytest.mark.parametrize(
    "target", ["", "models.example", "ftp://x", "http://me:pw@x", "http://x?y", "http://x y"]
)
def test_what_is_no_target_leaves_the_folder_as_it_was(tmp_path: Path, target: str) -> None:
    Deployment.create(tmp_path, None).announce()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError):
        Deployment.create(tmp_path, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_of_an_earlier_run_is_left(tmp_path: Path) -> None:
    Deployment.create(tmp_path, None).announce()
    (tmp_path / "gateway" / "spent.sqlite").touch()
    (tmp_path / "wallet.sqlite").touch()
    Deployment.create(tmp_path, "http://127.0.0.1:1")
    assert {path.name for path in tmp_path.iterdir()} == {
        ".tacita-deployment",
        "logs",
        *(name for role in ("issuer", "relay", "mirror", "gateway") for name in (role, f"{role}.toml")),
    }


keys = st.text("abcxyz_-0189", min_size=1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))
values = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
tables = st.recursive(
    st.dictionaries(keys, values),
    lambda inner: st.dictionaries(keys, values | inner | st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)


@given(tables)
def test_toml_round_trip(table: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(table)) == table
