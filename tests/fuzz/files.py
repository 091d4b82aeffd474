"""What a role finds on its own machine: key state, accounts, and what its HSM process says."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.fuzzing import pick, total

from gateway.key_state import KeyState, Retired
from gateway.ratchet import Link
from issuer.accounts import AccountsFile
from issuer.signers.frames import Broken, Kind, read_frame, write_frame
from tacita.crypto.hpke import Kem


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tacita-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _state(data: bytes) -> None:
    state = total(lambda content: KeyState.decode(content, "the file"), data)
    if state is not None:
        assert KeyState.decode(state.encode(), "the file").encode() == state.encode()
        state.link.following()


def _accounts(data: bytes) -> None:
    path = _folder() / "accounts.json"
    if not path.exists():
        path.touch(0o600)
    path.write_bytes(data)
    for record in total(lambda _: AccountsFile(path).read(), data) or ():
        assert len(record.digest) == 32


def _frames(data: bytes) -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, data)
        os.close(writes)
        while True:
            kind, content = read_frame(reads)
            said = (1 + len(content)).to_bytes(4, "big") + bytes((kind,)) + content
            assert data.startswith(said)
            data = data[len(said) :]
    except Broken:
        pass
    finally:
        os.close(reads)


_CHOICES = (_state, _accounts, _frames)


def one(data: bytes) -> None:
    """What is not in its form is refused, and what was read can be written and read again."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    link = Link(20_781, bytes(range(32)))
    yield b"\0" + KeyState(86_400, link).encode()
    yield b"\0" + KeyState(86_400, link, Retired(1_795_479_000, link.keys((Kem.X25519, Kem.P256)))).encode()
    account = f'"name":"a","id":"b","tier":"c","key_sha256":"{bytes(32).hex()}","created":"2026-01-01"'
    yield b"\1" + f'{{"version":1,"accounts":[{{{account}}}]}}'.encode()
    reads, writes = os.pipe()
    write_frame(writes, Kind.OK, b"content")
    write_frame(writes, Kind.FAILED)
    os.close(writes)
    yield b"\2" + os.read(reads, 100)
    os.close(reads)
