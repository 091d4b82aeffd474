"""The table of a target: one way to reach it, and no private address that nobody has named as such."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Target


@pytest.mark.parametrize(
    ("table", "reached_at", "anywhere"),
    [
        ({}, ("https://a.example",), False),
        ({"private": True}, ("https://a.example",), True),
        ({"url": "http://10.0.0.7:8404"}, ("http://10.0.0.7:8404",), True),
        ({"urls": ("http://10.0.0.7", "http://10.0.0.8")}, ("http://10.0.0.7", "http://10.0.0.8"), True),
        ({"unix": Path("x.sock")}, ("http://a.example",), True),
    ],
)
def test_where_a_target_is_reached(
    table: dict[str, Any], reached_at: tuple[str, ...], anywhere: bool
) -> None:
    target = Target(origin="https://a.example", **table)
    assert target.reached_at == reached_at
    assert target.anywhere is anywhere


@pytest.mark.parametrize(
    "table",
    [
        {"urls": ("http://a.example",), "url": "http://b.example"},
        {"urls": ("http://a.example",), "unix": Path("x.sock")},
        {"urls": ("http://a.example", "ftp://b.example")},
    ],
)
def test_several_ways_that_do_not_go_together_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"a target has|http or https"):
        Target(origin="https://a.example", **table)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8404",
        "http://localhost",
        "http://a.localhost",
        "https://10.1.2.3",
        "http://169.254.169.254",
        "http://[::1]:8404",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_an_origin_at_a_private_address_has_to_be_meant(origin: str) -> None:
    with pytest.raises(ValueError, match="private = true"):
        Target(origin=origin)
    assert Target(origin=origin, private=True).anywhere
    assert Target(origin=origin, url="http://10.0.0.7").anywhere
