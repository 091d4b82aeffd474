"""Which process sends which records: what was taken out of a file, cut into parts."""

from collections.abc import Sequence

from loadtest.prepared.file import Span

__all__ = ["even", "parts", "rest", "size"]


def size(spans: Sequence[Span]) -> int:
    """Return how many records `spans` have."""
    return sum(end - start for start, end in spans)


def parts(spans: Sequence[Span], shares: Sequence[int]) -> list[tuple[Span, ...]]:
    """Return `spans` cut into parts of so many records each; together they have as many as `spans`."""
    left = list(spans)
    found = []
    for share in shares:
        mine: list[Span] = []
        missing = share
        while missing and left:
            start, end = left.pop(0)
            cut = min(end, start + missing)
            mine.append((start, cut))
            missing -= cut - start
            if cut < end:
                left.insert(0, (cut, end))
        found.append(tuple(mine))
    return found


def rest(spans: Sequence[Span], used: int) -> list[Span]:
    """Return what is left of `spans` when the first `used` records are gone."""
    left = []
    for start, end in spans:
        skipped = min(used, end - start)
        used -= skipped
        if start + skipped < end:
            left.append((start + skipped, end))
    return left


def even(count: int, number: int) -> list[int]:
    """Return `count` cut into `number` parts that differ by one at most."""
    return [count // number + (index < count % number) for index in range(number)]
