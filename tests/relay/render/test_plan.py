"""No value of a configuration becomes a directive, and nothing is rendered that would not hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import (
    BudgetConfig,
    CoverConfig,
    GatewayConfig,
    GatewayTls,
    Limits,
    RelayConfig,
)
from relay.render import haproxy, nginx
from relay.render.plan import Address, Front, Plan, plan
from relay.render.problems import PROBLEMS, document
from tacita.errors import ConfigError, TacitaError
from tacita.service.config import Listen

RENDERERS: dict[str, Callable[[Plan], str]] = {"nginx": nginx.render, "haproxy": haproxy.render}
FRONT = Front(Address("127.0.0.1", 8443))


def gateway(**keys: Any) -> GatewayConfig:
    return GatewayConfig(
        **{
            "name": "one",
            "url": "https://gateway.example/message",
            "challenge_url": "https://gateway.example/challenge",
            "issuer_directory_url": "https://issuer.example/directory",
            **keys,
        }
    )


def relay(*gateways: GatewayConfig, listen: Listen | None = None) -> RelayConfig:
    return RelayConfig(
        listen=listen or Listen(port=8080), admin=Listen(port=9080), gateways=gateways or (gateway(),)
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"cover": CoverConfig(policy="jitter")},
        {"budget": BudgetConfig(requests_per_second=1.0)},
        {"budget": BudgetConfig(bytes_per_second=1.0)},
        {"bearer": Path("/secret")},
        {"allowed_purposes": ("one",)},
        {"url": "https://192.0.2.1/message"},
        {"url": "https://[2001:db8::1]/message"},
        {"url": "https://gateway.example/a;b"},
        {"url": "https://gateway.example/$host"},
        {"url": "https://gateway.example/{a}"},
        {"url": "https://gateway.example/'"},
        {"url": "https://gate_way.example/"},
        {"tls": GatewayTls(authority=Path("/a b"))},
        {"tls": GatewayTls(authority=Path("/a;b"))},
        {"tls": GatewayTls(authority=Path("/a\nb"))},
    ],
)
def test_what_cannot_hold_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        plan(relay(gateway(**keys)), FRONT)


def test_the_relay_behind_listens_in_the_clear_and_at_a_known_place() -> None:
    with pytest.raises(ConfigError, match="needs a port"):
        plan(relay(listen=Listen()), FRONT)
    listen = Listen(port=1, tls_certificate=Path("/a"), tls_private_key=Path("/b"))
    with pytest.raises(ConfigError, match="without TLS"):
        plan(relay(listen=listen), FRONT)
    with pytest.raises(ConfigError, match="go together"):
        Front(Address("127.0.0.1", 1), Path("/a"))


@pytest.mark.parametrize("name", RENDERERS)
def test_a_unix_socket_and_a_key_pair(name: str) -> None:
    front = Front(Address("::1", 8443), Path("/etc/relay.pem"), Path("/etc/relay.pem.key"))
    text = RENDERERS[name](plan(relay(listen=Listen(unix=Path("/run/relay.sock"))), front))
    assert "/run/relay.sock" in text
    assert "[::1]:8443" in text
    assert "/etc/relay.pem" in text


def test_haproxy_wants_the_key_where_it_looks() -> None:
    front = Front(Address("127.0.0.1", 8443), Path("/etc/relay.pem"), Path("/etc/relay.key"))
    with pytest.raises(ConfigError, match=r"\.key"):
        haproxy.render(plan(relay(), front))


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("text", [document(status) for status in PROBLEMS])
def test_problem_documents_mean_nothing_to_a_server(name: str, text: str) -> None:
    assert text.isascii()
    assert not set(text) & set("'$\\%\n")
    assert name in RENDERERS


@pytest.mark.parametrize("name", RENDERERS)
@given(host=st.text(max_size=20), path=st.text(max_size=20), file=st.text(max_size=20))
def test_whatever_is_configured_adds_no_line(name: str, host: str, path: str, file: str) -> None:
    render = RENDERERS[name]
    usual = render(plan(relay(gateway(tls=GatewayTls(authority=Path("/file")))), FRONT))
    try:
        keys = {"url": f"https://{host}/{path}", "tls": GatewayTls(authority=Path(f"/{file}"))}
        text = render(plan(relay(gateway(**keys)), FRONT))
    except TacitaError:
        return
    assert len(text.splitlines()) == len(usual.splitlines())
    for character in "{};'\"":
        assert text.count(character) == usual.count(character)


def test_limits_reach_the_servers() -> None:
    limits = Limits(request_bytes=4321, connections=7, piece_seconds=1.5, connect_seconds=0.25)
    planned = plan(relay(gateway(limits=limits, budget=BudgetConfig(concurrent=5))), FRONT)
    for wanted in ("client_max_body_size 4321;", "limit_conn one-exchanges 5;", "1500ms", "250ms"):
        assert wanted in nginx.render(planned)
    for wanted in ("gt 4321", "maxconn 5 ", "timeout client 1500ms", "timeout connect 250ms"):
        assert wanted in haproxy.render(planned)


def test_nginx_never_writes_the_framing() -> None:
    text = nginx.render(plan(relay(), FRONT))
    messages = text[text.index("location = /one {") : text.index("location = / {")]
    for name in ("Content-Length", "Transfer-Encoding"):
        assert f"proxy_set_header {name}" not in messages
        assert f'"{name}' not in messages


@pytest.mark.parametrize(
    "text", ["", "8443", "host", "host:0", "host:x", "host:70000", "a@host:1", "ho st:1", "host:1/a", ":1"]
)
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError):
        Address.parse(text)


def test_addresses() -> None:
    assert str(Address.parse("0.0.0.0:443")) == "0.0.0.0:443"
    assert str(Address.parse("[::]:443")) == "[::]:443"
