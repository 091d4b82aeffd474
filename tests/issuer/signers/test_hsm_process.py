"""The signing process on a real SoftHSM2: the contract, its death at any moment, and a token that is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.signer import SignerContract
from support import rsa, softhsm

from issuer.signers.hsm_process import HsmConfig, HsmProcess, HsmSigner
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer, SignerUnreachable, SigningUnavailable
from tacita.errors import TacitaError

MESSAGE = (5).to_bytes(256, "big")


class Clock:
    """The real one, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def config(**changes: object) -> HsmConfig:
    values: dict[str, object] = {
        "module": softhsm.MODULE,
        "token": softhsm.TOKEN,
        "pin_file": softhsm.token().pin_file,
    }
    return HsmConfig(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hsm(clock: Clock) -> Iterator[HsmProcess]:
    process = HsmProcess(config(), clock=clock)
    yield process
    process.close()


@pytest.fixture
def signer(hsm: HsmProcess) -> HsmSigner:
    return hsm.signer(softhsm.token().add(rsa.private_key()))


def kill(hsm: HsmProcess, number: int = signal.SIGKILL) -> int:
    pid = hsm.pid
    assert pid is not None
    os.kill(pid, number)
    return pid


class TestHsmSigner(SignerContract):
    @pytest.fixture(autouse=True)
    def _process(self, hsm: HsmProcess) -> None:
        self.hsm = hsm

    def make(self, private_key: RsaPrivateKey) -> Signer:
        return self.hsm.signer(softhsm.token().add(private_key))


def test_one_process_serves_several_keys(hsm: HsmProcess) -> None:
    signers = [hsm.signer(softhsm.token().add(rsa.private_key(number))) for number in (0, 1)]
    assert [one.public_key for one in signers] == [rsa.private_key(number).public_key for number in (0, 1)]
    for one in signers:
        assert one.sign([MESSAGE])


def test_a_batch_of_a_thousand(signer: HsmSigner) -> None:
    blinded = [number.to_bytes(256, "big") for number in range(2, 1002)]
    assert len(signer.sign(blinded)) == 1000


def test_death_between_calls_costs_one_call_at_most(hsm: HsmProcess, signer: HsmSigner, clock: Clock) -> None:
    before = signer.sign([MESSAGE])
    dead = kill(hsm)
    clock.ahead += 1
    try:
        again = signer.sign([MESSAGE])
    except SignerUnreachable:  # its death was not to be seen yet when the call began
        again = signer.sign([MESSAGE])
    assert again == before
    assert hsm.pid != dead


def test_death_in_the_middle_of_a_batch_releases_nothing(
    hsm: HsmProcess, signer: HsmSigner, clock: Clock
) -> None:
    caught: list[BaseException] = []

    def sign() -> None:
        try:
            signer.sign([MESSAGE] * 4000)
        except SignerUnreachable as error:
            caught.append(error)

    thread = threading.Thread(target=sign)
    kill(hsm, signal.SIGSTOP)  # so that the batch cannot be done before it is killed
    thread.start()
    while not hsm._lock.locked():
        time.sleep(0.001)
    kill(hsm)
    thread.join()
    assert len(caught) == 1
    clock.ahead += 1
    assert signer.sign([MESSAGE])


def test_a_process_that_hangs_is_given_up(clock: Clock) -> None:
    hsm = HsmProcess(config(seconds=2.0), clock=clock)
    signer = hsm.signer(softhsm.token().add(rsa.private_key()))
    stopped = kill(hsm, signal.SIGSTOP)
    with pytest.raises(SignerUnreachable):
        signer.sign([MESSAGE])
    assert hsm.pid is None
    clock.ahead += 1
    assert signer.sign([MESSAGE])
    assert hsm.pid != stopped
    hsm.close()


def test_a_token_that_is_gone_is_waited_for(hsm: HsmProcess, signer: HsmSigner, clock: Clock) -> None:
    softhsm.token().unplug()
    try:
        kill(hsm)
        for _ in range(3):
            clock.ahead += 1
            with pytest.raises(SignerUnreachable):
                signer.sign([MESSAGE])
        # No process is started again within a second of the last attempt.
        assert hsm.pid is None
        with pytest.raises(SignerUnreachable):
            signer.sign([MESSAGE])
        assert hsm.pid is None
    finally:
        softhsm.token().plug_in()
    clock.ahead += 1
    assert signer.sign([MESSAGE])


def test_the_usual_signals_leave_it_to_the_issuer(hsm: HsmProcess, signer: HsmSigner) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        pid = kill(hsm, number)
        assert signer.sign([MESSAGE])
        assert hsm.pid == pid


def test_closing_ends_it(hsm: HsmProcess, signer: HsmSigner) -> None:
    pid = hsm.pid
    assert pid is not None
    hsm.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SignerUnreachable):
        signer.sign([MESSAGE])
    hsm.close()


def test_it_does_not_outlive_the_issuer() -> None:
    made = config()
    program = (
        "import os, pathlib, sys\n"
        "from issuer.signers.hsm_process import HsmConfig, HsmProcess\n"
        "hsm = HsmProcess(HsmConfig(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])))\n"
        "print(hsm.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", program, str(made.module), made.token, str(made.pin_file)]
    pid = int(subprocess.run(command, capture_output=True, check=False).stdout)
    deadline = time.monotonic() + 20
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_wrong_is_said_at_the_start(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("0000")
    pin.chmod(0o600)
    open_pin = tmp_path / "open"
    open_pin.write_text(softhsm.PIN)
    open_pin.chmod(0o644)
    for changes, sentence in (
        ({"token": "another"}, "the token's label"),
        ({"module": Path("/nonexistent.so")}, "path of its library"),
        ({"pin_file": pin}, "the PIN"),
        ({"pin_file": open_pin}, "readable by others"),
        ({"pin_file": tmp_path / "nothing"}, "cannot be read"),
    ):
        with pytest.raises(SigningUnavailable, match=sentence):
            HsmProcess(config(**changes))


def test_a_key_is_made_and_destroyed(hsm: HsmProcess, clock: Clock) -> None:
    hsm.generate("made-by-a-process")
    before = hsm.signer("made-by-a-process")
    kill(hsm)
    clock.ahead += 1
    try:
        again = hsm.signer("made-by-a-process")
    except SignerUnreachable:  # its death was not to be seen yet when the call began
        again = hsm.signer("made-by-a-process")
    assert again.public_key == before.public_key
    with pytest.raises(SigningUnavailable, match="already"):
        hsm.generate("made-by-a-process")
    hsm.destroy("made-by-a-process")
    hsm.destroy("made-by-a-process")
    with pytest.raises(TacitaError):
        again.sign([MESSAGE])
    for call in (hsm.generate, hsm.destroy):
        for label in ("", "x" * 256):
            with pytest.raises(SigningUnavailable):
                call(label)


def test_another_key_by_the_same_label_does_not_sign(hsm: HsmProcess, clock: Clock) -> None:
    hsm.generate("replaced")
    signer = hsm.signer("replaced")
    assert signer.sign([MESSAGE])
    hsm.destroy("replaced")
    hsm.generate("replaced")
    with pytest.raises(SigningUnavailable, match="another key"):
        signer.sign([MESSAGE])
    assert hsm.signer("replaced").sign([MESSAGE])
    hsm.destroy("replaced")


def test_labels_that_no_key_has(hsm: HsmProcess) -> None:
    for label in ("nobody", "", "x" * 256):
        with pytest.raises(SigningUnavailable):
            hsm.signer(label)


def test_a_key_that_is_there_no_more_is_an_error_of_the_tree(hsm: HsmProcess, signer: HsmSigner) -> None:
    gone = HsmSigner(hsm, b"nobody", signer.public_key)
    with pytest.raises(TacitaError):
        gone.sign([MESSAGE])
    assert signer.sign([MESSAGE])
