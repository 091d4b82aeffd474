"""Free ports on the loopback interface, for servers that are told where to listen.

They come from below the ranges of outgoing connections and of `tacita up`, each test
worker has a stretch of its own, and none is given twice in a row: between the moment a port
is found free and the moment somebody listens on it, nobody else takes it.
"""

import itertools
import os
import socket

__all__ = ["free_port", "free_ports"]

_LOWEST, _STRETCH, _WORKERS = 10_000, 1_200, 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_begin = _LOWEST + _worker * _STRETCH
# Two test runs at once have the same workers: each begins somewhere else in the stretch.
_ours = itertools.cycle(_begin + (os.getpid() * 97 + place) % _STRETCH for place in range(_STRETCH))


def free_port() -> int:
    """Return one port that nothing listens on at the moment."""
    for port in itertools.islice(_ours, _STRETCH):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are still winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free in this worker's stretch")


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nothing listens on at the moment."""
    return [free_port() for _ in range(count)]
