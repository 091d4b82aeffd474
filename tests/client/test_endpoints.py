import json
from pathlib import Path
from typing import Any

import pytest

from tacita.client.endpoints import Endpoints
from tacita.errors import ConfigError


def mirror(origin: str) -> dict[str, str]:
    return {
        "gateway_keys": f"{origin}/gw/keys",
        "challenge": f"{origin}/gw/challenge",
        "issuer_directory": f"{origin}/gw/issuer-directory",
    }


def document() -> dict[str, Any]:
    return {
        "issuer": {
            "token_request": "https://issuer.example/token-request",
            "credential": "me.credential",
            "admin": "http://127.0.0.1:9",
        },
        "relay": {"messages": "https://relay.example/gw", **mirror("https://relay.example")},
        "mirror": mirror("https://mirror.example"),
        "gateway": {"messages": "https://gateway.example/.well-known/ohttp-gateway"},
        "target": {"url": "http://model.internal"},
    }


def load(folder: Path, content: dict[str, Any] | str) -> Endpoints:
    path = folder / "endpoints.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Endpoints.load(path)


def test_paths_are_relative_to_the_file_and_unknown_members_are_ignored(tmp_path: Path) -> None:
    endpoints = load(tmp_path, document())
    assert endpoints.issuer.credential == tmp_path / "me.credential"
    assert endpoints.target.model == "default"
    absolute = document()
    absolute["issuer"]["credential"] = "/etc/credential"
    assert load(tmp_path, absolute).issuer.credential == Path("/etc/credential")


def test_the_gateway_need_not_be_known(tmp_path: Path) -> None:
    without = document()
    del without["gateway"]
    assert load(tmp_path, without).gateway is None


@pytest.mark.parametrize("party", ["relay", "mirror"])
@pytest.mark.parametrize("kind", ["gateway_keys", "challenge", "issuer_directory"])
@pytest.mark.parametrize(
    "subject", ["https://gateway.example", "https://issuer.example", "https://ISSUER.example:443"]
)
def test_neither_gateway_nor_issuer_is_a_source_of_its_own_keys(
    tmp_path: Path, party: str, kind: str, subject: str
) -> None:
    changed = document()
    changed[party][kind] = f"{subject}/somewhere"
    with pytest.raises(ConfigError, match="mirror of its own keys"):
        load(tmp_path, changed)


@pytest.mark.parametrize(
    "origin", ["https://relay.example", "https://relay.example:443", "https://RELAY.example"]
)
def test_the_second_source_is_another_server(tmp_path: Path, origin: str) -> None:
    changed = document()
    changed["mirror"]["challenge"] = f"{origin}/gw/challenge"
    with pytest.raises(ConfigError, match="are one server"):
        load(tmp_path, changed)


@pytest.mark.parametrize(
    ("party", "member"),
    [("issuer", "token_request"), ("relay", "messages"), ("relay", "challenge"), ("mirror", "gateway_keys")],
)
def test_what_a_client_connects_to_is_https_or_here(tmp_path: Path, party: str, member: str) -> None:
    changed = document()
    changed[party][member] = "http://elsewhere.example/x"
    with pytest.raises(ConfigError, match="without https"):
        load(tmp_path, changed)
    for here in ("http://127.0.0.1:8", "http://[::1]:8", "http://localhost:8"):
        changed[party][member] = f"{here}/x"
        load(tmp_path, changed)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), '{"issuer": 1}'],
)
def test_no_endpoints(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="does not describe a deployment"):
        load(tmp_path, content)


@pytest.mark.parametrize("credential", [5, "", "a\0b", None, ["x"]])
def test_a_credential_that_is_no_path(tmp_path: Path, credential: object) -> None:
    changed = document()
    changed["issuer"]["credential"] = credential
    with pytest.raises(ConfigError, match="does not describe a deployment"):
        load(tmp_path, changed)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://me@x", "https://[::1", "https://x?y=z", "https://x/ y"]
)
def test_a_target_that_is_no_url(tmp_path: Path, url: str) -> None:
    changed = document()
    changed["target"]["url"] = url
    with pytest.raises(ConfigError):
        load(tmp_path, changed)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is `tacita up` running"):
        Endpoints.load(tmp_path / "endpoints.json")
