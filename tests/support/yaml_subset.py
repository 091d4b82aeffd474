"""A strict reader of the part of YAML that deploy/compose.yaml keeps to; anything else is an error.

Block mappings indented by two spaces; every other value is JSON on one line; comments on lines of
their own; an anchor behind a key of a block mapping, and `<<: *anchor` to merge one in, whose
keys are not given again.
"""

import json
import re
from typing import Any

__all__ = ["parse"]

_LINE = re.compile(r'(?P<indent> *)(?P<key>"[^"]+"|[A-Za-z_<][\w<-]*):(?: (?P<value>.+))?')


def parse(text: str) -> dict[str, Any]:
    """Return the mapping that `text` holds. Raises `ValueError` for what is not in the subset."""
    root: dict[str, Any] = {}
    anchors: dict[str, dict[str, Any]] = {}
    open_blocks = [root]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is not in the subset")
        depth, odd = divmod(len(match["indent"]), 2)
        if odd or depth >= len(open_blocks):
            raise ValueError(f"line {number} is indented too far")
        del open_blocks[depth + 1 :]
        block, key, value = open_blocks[depth], match["key"].strip('"'), match["value"]
        if key == "<<":
            if value is None or value[1:] not in anchors or set(anchors[value[1:]]) & set(block):
                raise ValueError(f"line {number} merges nothing, or what is there already")
            block.update(anchors[value[1:]])
        elif key in block:
            raise ValueError(f"line {number} has a key for the second time")
        elif value is None or value.startswith("&"):
            block[key] = {}
            open_blocks.append(block[key])
            if value is not None:
                anchors[value[1:]] = block[key]
        else:
            try:
                block[key] = json.loads(value)
            except ValueError:
                raise ValueError(f"line {number} has a value that is not JSON") from None
    return root
