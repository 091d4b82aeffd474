"""Whom load may go to."""

import socket
from typing import Any

import pytest

from loadtest.addresses import is_loopback, permitted
from loadtest.errors import AddressRefused, TargetDown
from tacita.errors import ConfigError


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; literal addresses are themselves."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, **_more: Any) -> list[Any]:
        if host in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in known[host]]
        if not host.replace(".", "").isdigit() and ":" not in host and host != "localhost":
            raise socket.gaierror(-2, "unknown")
        return real(host, port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/x",
        "http://127.8.9.1",
        "http://[::1]:9000/",
        "http://localhost:1/",
        "https://127.0.0.1",
    ],
)
def test_this_machine_is_permitted(url: str, names: dict[str, list[str]]) -> None:
    assert is_loopback(permitted(url, ()).ip)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "http://[2001:db8::1]/",
        "http://[::ffff:192.0.2.1]/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
    ],
)
def test_others_are_not(url: str, names: dict[str, list[str]]) -> None:
    with pytest.raises(AddressRefused, match="--i-operate"):
        permitted(url, ())


def test_an_address_inside_an_address() -> None:
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")
    assert is_loopback("::1%lo")


def test_a_name_is_what_it_resolves_to(names: dict[str, list[str]]) -> None:
    names["here.example"] = ["127.0.0.1"]
    names["both.example"] = ["127.0.0.1", "192.0.2.1"]
    names["there.example"] = ["192.0.2.1"]
    assert permitted("http://here.example:81/x", ()).ip == "127.0.0.1"
    for host in ("both.example", "there.example"):
        with pytest.raises(AddressRefused):
            permitted(f"http://{host}/", ())
        with pytest.raises(AddressRefused):
            permitted(f"http://{host}/", ("here.example", "example", f"x{host}"))
        assert permitted(f"http://{host}/", (host,)).host == host
    # The name is asked once: a connection goes to the address that was looked at.
    address = permitted("https://THERE.example/x?y", ("There.Example",))
    assert (address.ip, address.port, address.tls, address.path) == ("192.0.2.1", 443, True, "/x?y")
    assert address.authority == "there.example"


def test_what_cannot_be_resolved_and_what_is_no_url(names: dict[str, list[str]]) -> None:
    with pytest.raises(TargetDown):
        permitted("http://nobody.example/", ())
    for url in ("ftp://127.0.0.1/", "http://", "http://me@127.0.0.1/", "127.0.0.1"):
        with pytest.raises(ConfigError):
            permitted(url, ())


def test_how_a_host_stands_in_the_request(names: dict[str, list[str]]) -> None:
    assert permitted("http://[::1]:8080/", ()).authority == "[::1]:8080"
    assert permitted("http://127.0.0.1/", ()).authority == "127.0.0.1"
