"""What connects to other servers is tried on both event loops: roles run on uvloop, embedders on any."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest
import uvloop

_ON_BOTH = {"test_connection.py", "test_dial.py", "test_pool.py", "test_proxied.py", "test_upstream.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    loops: dict[str, Callable[[], AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in _ON_BOTH:
        loops["uvloop"] = uvloop.new_event_loop
    return loops
