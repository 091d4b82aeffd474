"""The search itself: what is planted is found, in each form and in each kind of file, and nothing else is."""

import base64
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.canaries import Canaries, contents, windows

SECRET = b"\x00\xffcanary+/=\x7f\x80"

FORMS = {
    "raw": lambda secret: secret,
    "reversed": lambda secret: secret[::-1],
    "hexadecimal": lambda secret: secret.hex().encode(),
    "upper case": lambda secret: secret.hex().upper().encode(),
    "dump": lambda secret: secret.hex(" ").encode(),
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "unpadded": lambda secret: base64.urlsafe_b64encode(secret).rstrip(b"="),
    "inside base64": lambda secret: base64.b64encode(b"user:" + secret + b"\n"),
    "percent": lambda secret: quote_from_bytes(secret).encode(),
    "repr": lambda secret: repr(secret).encode(),
    "list": lambda secret: str(list(secret)).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found_in_a_file(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a" / ".hidden"
    folder.mkdir(parents=True)
    (folder / "log").write_bytes(b"before" + FORMS[form](SECRET) + b"behind")
    (content,) = contents(tmp_path).values()
    assert Canaries({"secret": SECRET}).in_bytes(content) == {"secret"}


def test_text_is_found_in_utf_16() -> None:
    content = "x canary-1234 x".encode("utf-16")
    assert Canaries({"secret": b"canary-1234"}).in_bytes(content) == {"secret"}


def test_a_secret_in_a_database_is_found_before_and_after_its_log_is_merged(tmp_path: Path) -> None:
    canaries = Canaries({"secret": SECRET})
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (a BLOB)")
        database.execute("INSERT INTO t VALUES (?)", (SECRET,))
        found = {path.name: canaries.in_bytes(content) for path, content in contents(tmp_path).items()}
        assert found["a.sqlite-wal"] == {"secret"}
    ((path, content),) = contents(tmp_path).items()
    assert path.name == "a.sqlite"
    assert canaries.in_bytes(content) == {"secret"}


def test_a_part_of_a_long_secret_is_found() -> None:
    secret = os.urandom(256)
    canaries = Canaries({"secret": windows(secret)})
    for start in range(0, 236):
        assert canaries.in_bytes(secret[start : start + 20]) == {"secret"}


@given(st.binary(min_size=8, max_size=64), st.binary(max_size=5), st.binary(max_size=5))
def test_base64_is_found_at_any_alignment(secret: bytes, before: bytes, behind: bytes) -> None:
    canaries = Canaries({"secret": secret})
    assert canaries.in_bytes(base64.b64encode(before + secret + behind)) == {"secret"}
    assert canaries.in_bytes(base64.urlsafe_b64encode(before + secret + behind)) == {"secret"}


def test_what_is_not_there_is_not_found() -> None:
    canaries = Canaries({"one": os.urandom(16), "two": [os.urandom(32), os.urandom(32)]})
    assert canaries.in_bytes(os.urandom(100_000)) == set()


def test_a_neighbouring_address_is_not_found() -> None:
    canaries = Canaries({"address": b"127.0.0.77"})
    for before in (b"", b"x", b"xx"):
        for behind in (b"", b"x", b"xx", b":8080"):
            other = before + b"127.0.0.1" + behind
            assert canaries.in_bytes(base64.b64encode(other)) == set()


def test_a_secret_that_would_be_found_by_chance_is_refused() -> None:
    with pytest.raises(AssertionError):
        Canaries({"short": b"1234567"})
