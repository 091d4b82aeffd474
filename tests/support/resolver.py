"""Names that resolve to what a test wants."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from tacita.net.dial import Dialler

__all__ = ["resolving"]


@contextmanager
def resolving(*answers: list[str]) -> Iterator[list[str]]:
    """Have every name resolve to the next of `answers`; give the names that were asked for."""
    left, asked = list(answers), []

    async def found(self: Dialler) -> list[tuple[Any, ...]]:
        asked.append(self._host)
        answer = left.pop(0)
        if not answer:
            raise socket.gaierror
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (kinds[ip_address(one).version], socket.SOCK_STREAM, 6, "", (one, self._port)) for one in answer
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialler, "_found", found)
        yield asked
