"""Free TCP ports on loopback, from below the range that outgoing connections use."""

import random
import socket

from tacita.errors import TacitaError

__all__ = ["NoFreePort", "free_ports"]

_LOWEST, _HIGHEST = 20_000, 32_000


class NoFreePort(TacitaError):
    """Every port of the range is taken."""


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nobody listens on at this moment.

    Raises:
        NoFreePort: there are not as many.
    """
    found: list[int] = []
    for port in random.sample(range(_LOWEST, _HIGHEST), _HIGHEST - _LOWEST):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort("There are no free ports on 127.0.0.1 between 20000 and 32000; stop something.")
