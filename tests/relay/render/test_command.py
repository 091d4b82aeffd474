"""`tacita-relay --render`: what it writes, where, and what it says when it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.samples import DEPLOY

from relay.render import command
from tacita.service.run import EXIT_CONFIG

SAMPLE = str(DEPLOY / "relay" / "relay.toml")


@pytest.mark.parametrize("server", ["nginx", "haproxy"])
def test_a_configuration_goes_to_standard_output_or_a_file(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--render", server, "--config", SAMPLE, "--listen", "127.0.0.1:8443"]
    assert command.main(arguments) == 0
    told = capsys.readouterr().out
    assert "gateway.example" in told
    assert command.main([*arguments, "--output", str(tmp_path / "file")]) == 0
    assert (tmp_path / "file").read_text() == told
    assert not capsys.readouterr().out


def test_what_cannot_be_rendered_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--listen", "nowhere"], ["--listen", "a:1", "--output", str(tmp_path / "no" / "file")]):
        assert command.main(["--render", "nginx", "--config", SAMPLE, *more]) == EXIT_CONFIG
        said = capsys.readouterr()
        assert not said.out
        assert said.err.startswith("tacita-relay: ")
        assert said.err.count("\n") == 1


def test_the_relay_itself_takes_the_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "relay", "--render", "haproxy", "--config", SAMPLE, "--listen", "[::1]:1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bind [::1]:1" in done.stdout
