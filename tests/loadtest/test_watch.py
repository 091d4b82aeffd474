"""Processes on this machine: who listens, what they hold."""

import os
import socket
import subprocess
import sys

from loadtest.local.watch import Watch, family, is_here, listening_on, machine_times


def test_a_process_is_found_by_its_port_and_its_growth_is_seen() -> None:
    program = (
        "import socket, sys\n"
        "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "kept = []\n"
        "for line in sys.stdin:\n"
        "    kept += [bytearray(b'x') * (40 << 20), open('/dev/null')]; print('grown', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert listening_on(port) == [process.pid]
        assert process.pid in family(os.getpid())
        watch = Watch({"grower": port, "nobody": 1})
        watch.look()
        process.stdin.write("more\n")
        process.stdin.flush()
        assert process.stdout.readline() == "grown\n"
        watch.look()
        (seen,) = watch.processes()
        assert seen.name == "grower"
        assert seen.resident[1] - seen.resident[0] > 35
        assert seen.descriptors[1] - seen.descriptors[0] == 1
        assert seen.cpu >= 0
    finally:
        process.kill()
        process.communicate()
    watch.look()
    assert len(watch.processes()[0].resident) == 2


def test_what_is_here() -> None:
    assert is_here("127.0.0.1")
    assert not is_here("192.0.2.1")
    idle, whole = machine_times()
    assert 0 < idle <= whole
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert os.getpid() in listening_on(ours.getsockname()[1])
