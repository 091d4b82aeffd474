"""Free ports on the loopback interface, for processes that are told where to listen."""

import socket

__all__ = ["free_port", "free_ports"]


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nothing listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def free_port() -> int:
    """Return one port that nothing listens on at the moment."""
    return free_ports(1)[0]
