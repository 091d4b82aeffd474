"""deploy/relay: a relay by itself, and nginx before it."""

import asyncio
import os
import shutil
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from support.certificates import self_signed
from support.ports import free_port
from support.raw_http import fields, read_body, read_chunk, read_head
from support.relays import CHUNKED, CHUNKED_ANSWER, Gateway, gateway_running, relay_running, request
from support.samples import DEPLOY

from relay.config import AddressLimits, RelayConfig, RelayLimits
from tacita.service.config import load

FOLDER = DEPLOY / "relay"
UNITS = sorted(FOLDER.glob("*.service"))
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")


def test_the_sample_is_a_configuration_for_a_relay_behind_a_front() -> None:
    config = load(FOLDER / "relay.toml", RelayConfig)
    assert config.limits.per_address.trusted_hops == 1
    assert f"server {config.listen.host}:{config.listen.port} " in (FOLDER / "nginx-front.conf").read_text()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened(path: Path) -> None:
    text = path.read_text()
    for line in (
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "LimitCORE=0",
        "PrivateTmp=yes",
    ):
        assert f"\n{line}\n" in text
    assert text.count("CAP_") == text.count("CAP_NET_BIND_SERVICE") == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_no_fault(path: Path, tmp_path: Path) -> None:
    unit = tmp_path / path.name
    text = path.read_text()
    for program in ("/usr/sbin/nginx", "/usr/sbin/haproxy"):
        text = text.replace(program, "/bin/true")
    unit.write_text(text)
    for command in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run(
            ["systemd-analyze", *command, str(unit)], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_the_relay_and_nothing_to_decrypt_with() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    kept = {
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [
        line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--" not in line
    ]
    assert {name for names in copied for name in names} == kept
    assert not kept & {"gateway", "issuer", "node"}
    assert "[" not in text[text.index("pip --python") : text.index("FROM python", text.index("pip --python"))]
    assert "\nUSER 10001\n" in text


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed; see deploy/need-packages")
async def test_nginx_before_a_relay_changes_nothing_and_says_nothing(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with gateway_running() as gateway:
        limits = RelayLimits(per_address=AddressLimits(trusted_hops=1))
        config = msgspec.structs.replace(gateway.config(), limits=limits)
        async with relay_running(config) as relay:
            port = free_port()
            text = (FOLDER / "nginx-front.conf").read_text()
            for old, new in {
                "127.0.0.1:8080": f"127.0.0.1:{relay.port}",
                "0.0.0.0:443": f"127.0.0.1:{port}",
                "/etc/tacita/relay.pem": str(certificate),
                "/etc/tacita/relay.key": str(key),
            }.items():
                assert old in text
                text = text.replace(old, new)
            (tmp_path / "front.conf").write_text(text)
            await _with_nginx(tmp_path, port, gateway)
    assert (tmp_path / "said").read_text() == ""
    assert _files(tmp_path) <= {"certificate.pem", "key.pem", "front.conf", "said"}


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def _with_nginx(folder: Path, port: int, gateway: Gateway) -> None:
    assert NGINX is not None
    ours = "daemon off; user root;" if os.getuid() == 0 else "daemon off;"
    with (folder / "said").open("w") as said:
        process = await asyncio.create_subprocess_exec(
            NGINX, "-p", str(folder), "-c", str(folder / "front.conf"), "-e", "stderr", "-g", ours,
            stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            await _look(folder, port, gateway)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _look(folder: Path, port: int, gateway: Gateway) -> None:
    context = ssl.create_default_context(cafile=folder / "certificate.pem")
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            break
        except OSError:
            await asyncio.sleep(0.02)
    writer.write(request(extra="X-Id: 7\r\nX-Forwarded-For: 192.0.2.1\r\n"))
    head = await read_head(reader)
    assert await read_body(reader, head) == b"answer"
    assert set(fields(gateway.heads[0])) == {"host", "content-type", "content-length"}
    writer.write(b"GET /one/keys HTTP/1.1\r\nHost: relay.example\r\n\r\n")
    head = await read_head(reader)
    assert fields(head)["etag"].startswith('"sha256-')
    await read_body(reader, head)

    async def echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED_ANSWER)
        while chunk := await read_chunk(reader):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        writer.write(b"0\r\n\r\n")

    gateway.answer = echo
    writer.write(CHUNKED + b"5\r\nfirst\r\n")
    await read_head(reader)
    assert await read_chunk(reader) == b"first"
    writer.write(b"5\r\nother\r\n0\r\n\r\n")
    assert [await read_chunk(reader), await read_chunk(reader)] == [b"other", b""]
    writer.close()
