"""Files of prepared requests, out of which each is taken once ever.

A page of JSON, then records of one length. The page says what the requests are for and which of
them were not taken yet. A run takes its records before it sends the first, durably: whatever
happens to it, none of them is sent by another run. What it did not use it gives back, at its
regular end; a run that is killed has used all that it took. The file is locked for each of the
two steps and never in between.

The records hold tokens, which are money, and what opens the answers: mode 0600.
"""

import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from loadtest.errors import PreparedUnusable
from loadtest.prepared.records import Record

__all__ = ["Header", "PreparedFile", "Purpose", "Reader", "Span"]

_FORMAT = "tacita-load prepared 1"
_PAGE = 4096
"""Written in one piece, so that no crash leaves half of it."""

_MAX_SPANS = 64

Span = tuple[int, int]
"""The numbers of records from the first up to, but not including, the second."""


class Purpose(msgspec.Struct, frozen=True):
    """What the records were made for: a file with any other purpose is of no use.

    Digests and ids are in hexadecimal. `content` names what is inside, so that runs compare.
    """

    kind: str
    content: str
    key_config: str = ""
    challenge: str = ""
    issuer_key: str = ""


class Header(msgspec.Struct, frozen=True):
    """The page at the front: `free` are the records that nobody has taken."""

    purpose: Purpose
    record_bytes: int
    free: tuple[Span, ...] = ()
    total: int = 0
    format: str = _FORMAT

    @property
    def left(self) -> int:
        """How many records are free."""
        return sum(end - start for start, end in self.free)


class PreparedFile:
    """One such file at `path`; every operation opens it anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, purpose: Purpose, record_bytes: int) -> None:
        """Make an empty file, in the place of any that is there."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, Header(purpose, record_bytes))
        finally:
            os.close(descriptor)
        fresh.replace(self.path)

    def header(self) -> Header:
        """Return the page. Raises `PreparedUnusable`."""
        with self._locked() as descriptor:
            return _read(descriptor)

    def append(self, records: Sequence[Record]) -> None:
        """Add `records`, free to be taken. Raises `PreparedUnusable`, `ValueError` for another length."""
        with self._locked() as descriptor:
            header = _read(descriptor)
            encoded = [record.encode() for record in records]
            if any(len(one) != header.record_bytes for one in encoded):
                raise ValueError("a record has another length than its file")
            os.pwrite(descriptor, b"".join(encoded), _PAGE + header.total * header.record_bytes)
            added = (header.total, header.total + len(records))
            free = _tidy([*header.free, added])
            _write(descriptor, msgspec.structs.replace(header, free=free, total=added[1]))

    def take(self, count: int) -> list[Span]:
        """Return spans of at most `count` records in all, which are then nobody else's. Durable on return.

        Raises `PreparedUnusable`.
        """
        with self._locked() as descriptor:
            header = _read(descriptor)
            taken: list[Span] = []
            rest = list(header.free)
            while rest and count:
                start, end = rest.pop(0)
                cut = min(end, start + count)
                taken.append((start, cut))
                count -= cut - start
                if cut < end:
                    rest.insert(0, (cut, end))
            _write(descriptor, msgspec.structs.replace(header, free=tuple(rest)))
            return taken

    def give_back(self, spans: Iterable[Span]) -> None:
        """Return what was taken and surely never sent. Raises `PreparedUnusable`."""
        with self._locked() as descriptor:
            header = _read(descriptor)
            _write(descriptor, msgspec.structs.replace(header, free=_tidy([*header.free, *spans])))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise PreparedUnusable(f"{self.path} cannot be opened: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_mode & 0o077:
                raise PreparedUnusable(f"{self.path} holds tokens and is readable by others; chmod 600 it.")
            yield descriptor
        finally:
            os.close(descriptor)


class Reader:
    """The records of a file, by number, without copies of the whole. A context manager."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._size = _read(file.fileno()).record_bytes
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._map.close()

    def __getitem__(self, number: int) -> Record:
        start = _PAGE + number * self._size
        return Record.decode(self._map[start : start + self._size])


def _read(descriptor: int) -> Header:
    try:
        header = msgspec.json.decode(os.pread(descriptor, _PAGE, 0).rstrip(b"\0"), type=Header)
    except msgspec.DecodeError:
        raise PreparedUnusable("A file of prepared requests is damaged; delete it.") from None
    size = os.fstat(descriptor).st_size
    if header.format != _FORMAT or header.record_bytes < 1:
        raise PreparedUnusable("A file of prepared requests is of another version; delete it.")
    if size < _PAGE + header.total * header.record_bytes or any(
        not 0 <= start < end <= header.total for start, end in header.free
    ):
        raise PreparedUnusable("A file of prepared requests is cut or damaged; delete it.")
    return header


def _write(descriptor: int, header: Header) -> None:
    encoded = msgspec.json.encode(header)
    if len(encoded) > _PAGE:
        raise PreparedUnusable("A file of prepared requests has too many holes; delete it.")
    os.pwrite(descriptor, encoded.ljust(_PAGE, b"\0"), 0)
    os.fdatasync(descriptor)


def _tidy(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return `spans` in order, adjacent ones joined, and the shortest dropped where there are too many."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start < joined[-1][1]:
            raise ValueError("a record was given back twice")
        if joined and start == joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    longest = sorted(joined, key=lambda span: span[0] - span[1])[:_MAX_SPANS]
    return tuple(sorted(longest))
