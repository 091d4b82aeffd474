import socket

import pytest

from tacita.cli import ports
from tacita.cli.ports import NoFreePort, free_ports


def test_they_are_different_and_free() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    for port in found:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_one_that_is_taken_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_ports(2)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", first))
        monkeypatch.setattr(ports, "_LOWEST", first)
        monkeypatch.setattr(ports, "_HIGHEST", first + 1)
        with pytest.raises(NoFreePort):
            free_ports(1)
    monkeypatch.setattr(ports, "_LOWEST", second)
    monkeypatch.setattr(ports, "_HIGHEST", second + 1)
    assert free_ports(1) == [second]
    with pytest.raises(NoFreePort):
        free_ports(2)
