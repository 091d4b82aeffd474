"""Where a request came from, as the fronts before the relay say it: Forwarded or X-Forwarded-For.

Each front writes the address that it was asked from behind what was there already, so with n fronts
that are trusted the n-th address from the right is the last one that a client could not have made up.
It serves the limiter and nothing else: no field that names it goes on (`relay.headers`).
"""

import re

from tacita.net.message import Fields

__all__ = ["UNKNOWN", "source_of"]

UNKNOWN = ""
"""The address of whoever came around the fronts, or whom they do not name: all of these are one."""

# RFC 7239, section 4: tokens and quoted strings; a comma or a semicolon in quotes separates nothing.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^",]|{_QUOTED})*')
_PAIR = re.compile(rf'(?:[^";]|{_QUOTED})+')

_V6 = re.compile(r"\[([^\]]*)\](?::.*)?")

_LONGEST = 4096
"""Bytes of all lines together; what a chain of fronts writes is a tenth of that."""


def source_of(fields: Fields, name: bytes, hops: int) -> str:
    """Return the `hops`-th address from the right in the fields `name`; `UNKNOWN` if there are fewer.

    `fields` have lowercase names; `name` is b"x-forwarded-for" or b"forwarded".
    """
    lines = [value for key, value in fields if key == name]
    text = b",".join(lines).decode("latin-1")
    if len(text) > _LONGEST:
        return UNKNOWN
    said = _forwarded(text) if name == b"forwarded" else [part.strip() for part in text.split(",")]
    return _address(said[-hops]) if len(said) >= hops else UNKNOWN


def _forwarded(text: str) -> list[str]:
    """Return the node of each element; empty where it names none."""
    nodes = []
    place = -1
    while place < len(text):
        found = _ELEMENT.match(text, place + 1)
        assert found is not None, "it matches nothing, too"
        nodes.append(_node(found[0]))
        place = found.end()
        if text[place : place + 1] == '"':
            # It is never closed: nobody knows which elements there are.
            return []
    return nodes


def _node(element: str) -> str:
    """Return the value of `for`, which stands once in an element."""
    pairs = [pair.strip().partition("=") for pair in _PAIR.findall(element)]
    nodes = [value for name, _, value in pairs if name.lower() == "for"]
    if len(nodes) != 1:
        return UNKNOWN
    (node,) = nodes
    return re.sub(r"\\(.)", r"\1", node[1:-1]) if node.startswith('"') else node


def _address(node: str) -> str:
    """Return the address in `node` without its port."""
    found = _V6.fullmatch(node)
    if found is not None:
        return found[1]
    # One colon stands before a port, several are an IPv6 address.
    return node.partition(":")[0] if node.count(":") == 1 else node
