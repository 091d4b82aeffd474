"""Files of prepared requests: each record is taken once ever, whoever takes it and whatever happens."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import allotment
from loadtest.errors import PreparedUnusable
from loadtest.prepared.file import PreparedFile, Purpose, Reader
from loadtest.prepared.records import Record

PURPOSE = Purpose("oneshot", "a question", "aa", "bb", "cc")


def record(number: int) -> Record:
    return Record(number.to_bytes(4, "big"), b"body %08d" % number)


def made(path: Path, count: int) -> PreparedFile:
    file = PreparedFile(path)
    file.create(PURPOSE, len(record(0).encode()))
    file.append([record(number) for number in range(count)])
    return file


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 10)
    file.append([record(10)])
    assert file.header().purpose == PURPOSE
    assert (file.header().left, file.header().total) == (11, 11)
    with Reader(file.path) as reader:
        assert [reader[number] for number in range(11)] == [record(number) for number in range(11)]
    assert file.path.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=12))
def test_nothing_is_taken_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    file = made(tmp_path_factory.mktemp("file") / "file", 40)
    used: list[int] = []
    for wanted, sent in steps:
        spans = file.take(wanted)
        numbers = [number for span in spans for number in range(*span)]
        assert len(numbers) <= wanted
        used += numbers[:sent]
        file.give_back(allotment.rest(spans, sent))
    assert len(set(used)) == len(used)
    assert file.header().left == 40 - len(used)


def test_a_run_that_was_killed_has_used_all_that_it_took(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 10)
    # Nothing is given back: as after SIGKILL.
    assert file.take(4) == [(0, 4)]
    assert file.take(100) == [(4, 10)]
    assert file.take(1) == []


def test_what_is_given_back_twice_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 10)
    file.take(4)
    file.give_back([(2, 4)])
    with pytest.raises(ValueError, match="twice"):
        file.give_back([(3, 4)])


def test_processes_that_take_at_once_get_different_records(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 400)
    program = (
        "import sys; from pathlib import Path; from loadtest.prepared.file import PreparedFile\n"
        "file = PreparedFile(Path(sys.argv[1]))\n"
        "for _ in range(20):\n    print(*[n for span in file.take(5) for n in range(*span)])\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(file.path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    numbers = [int(word) for child in children for word in child.communicate()[0].split()]
    assert sorted(numbers) == list(range(400))


def test_what_is_no_file_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"{}", b"x" * 5000, b'{"purpose":{"kind":"","content":""},"record_bytes":0}'):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(PreparedUnusable):
            PreparedFile(path).header()
    with pytest.raises(PreparedUnusable):
        PreparedFile(tmp_path / "none").header()


def test_a_file_that_was_cut_or_is_open_to_others(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 10)
    file.path.chmod(0o640)
    with pytest.raises(PreparedUnusable, match="readable by others"):
        file.header()
    file.path.chmod(0o600)
    with file.path.open("r+b") as opened:
        opened.truncate(4100)
    with pytest.raises(PreparedUnusable, match="cut"):
        file.header()


@given(st.lists(st.integers(1, 20), max_size=5), st.integers(1, 4))
def test_parts_are_the_whole(lengths: list[int], processes: int) -> None:
    spans, start = [], 0
    for length in lengths:
        spans.append((start, start + length))
        start += length + 3
    shares = allotment.even(allotment.size(spans), processes)
    cut = allotment.parts(spans, shares)
    assert [allotment.size(one) for one in cut] == shares
    assert [n for part in cut for span in part for n in range(*span)] == [
        n for span in spans for n in range(*span)
    ]
