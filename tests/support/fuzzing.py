"""What the fuzz targets (tests/fuzz) have in common: the properties, each one sentence."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tacita.errors import TacitaError

T = TypeVar("T")

__all__ = ["canonical", "cut", "outcome", "pick", "shared_values", "total"]


def pick(data: bytes, choices: Sequence[Callable[[bytes], object]]) -> None:
    """Give all but the first byte of `data` to the choice that the first byte names."""
    if data:
        choices[data[0] % len(choices)](data[1:])


def total(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """Any bytes are a value or an error of the tree, never another exception."""
    try:
        return decode(data)
    except TacitaError:
        return None


def canonical(decode: Callable[[bytes], T], encode: Callable[[T], bytes], data: bytes) -> None:
    """What was decoded is encoded to the very bytes that it came from."""
    value = total(decode, data)
    if value is not None:
        assert encode(value) == data


def outcome(run: Callable[[], T]) -> T | type[Exception]:
    """Return what `run` returns, or the type of the error of the tree that it raises."""
    try:
        return run()
    except TacitaError as error:
        return type(error)


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return `data` behind its first 5 bytes: in pieces whose lengths those name, and whole."""
    lengths, whole = data[:5], data[5:]
    pieces, start = [], 0
    for length in lengths:
        pieces.append(whole[start : start + length])
        start += length
    return [*pieces, whole[start:]], whole


def shared_values(*names: str) -> Iterator[bytes]:
    """Yield every value in hexadecimal in ../shared/vectors/`names` once; none where a file is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "vectors"
    seen = set()
    for path in (folder / name for name in names):
        for text in _texts(json.loads(path.read_text())) if path.exists() else ():
            try:
                value = bytes.fromhex(text)
            except ValueError:
                continue
            if _SHORTEST <= len(value) <= _LONGEST and value not in seen:
                seen.add(value)
                yield value


_SHORTEST, _LONGEST = 16, 4000
"""Bytes: shorter ones are soon found by fuzzing, longer ones more than an input may have."""


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for one in document.values() if isinstance(document, dict) else document:
            yield from _texts(one)
