"""Folders with long names, as CI systems and desktops have them."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tacita.cli.ports import free_ports

pytestmark = pytest.mark.e2e


def test_the_node_starts_with_a_long_temporary_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    port, admin = free_ports(2)
    config = tmp_path / "node.toml"
    config.write_text(f"[listen]\nport = {port}\n[admin]\nport = {admin}\n")
    command = [sys.executable, "-m", "node", "--config", str(config)]
    with subprocess.Popen(command, env={"TMPDIR": str(folder)}, stderr=subprocess.PIPE, text=True) as node:
        assert node.stderr is not None
        # It says that it is ready, or why it ends.
        said = "".join(_until_ready(node.stderr))
        node.terminate()
    assert '"event":"ready"' in said, said


def _until_ready(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        found.append(line)
        if '"event":"ready"' in line:
            break
    return found
