"""nginx as the relay is measured against it: `proxy_pass` over kept connections, one worker, no logs.

It is the plainest reverse proxy that nginx can be, without the relay's header discipline.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.certificates import Certificate
from bench.server import started_program
from tacita.cli.ports import free_ports

__all__ = ["installed", "nginx"]


def installed() -> str | None:
    """Return where nginx is, if it is installed (Debian: `apt-get install nginx-light`)."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")


@asynccontextmanager
async def nginx(
    folder: Path, upstream: int, size: int, *, tls: Certificate | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Run nginx in front of 127.0.0.1:`upstream`; yield the id of its only process, and its port.

    Messages have up to `size` bytes. With `tls` both legs have it.
    """
    program = installed()
    if program is None:
        raise RuntimeError("nginx is not installed")
    (port,) = free_ports(1)
    path = folder / "nginx.conf"
    (look,) = free_ports(1)
    # Each message is held in memory as a whole, both ways, as the relay has it.
    buffer = max(64, 2 * size >> 10)
    path.write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            look=look,
            upstream=upstream,
            buffer=buffer,
            piece=buffer // 2,
            tls="" if tls is None else _TLS.format(certificate=tls.path, key=tls.private_key),
            ssl="" if tls is None else " ssl",
            scheme="http" if tls is None else "https",
        )
    )
    arguments = [program, "-p", str(folder), "-c", str(path), "-e", str(folder / "errors")]
    async with started_program(arguments, f"http://127.0.0.1:{look}/") as pid:
        yield pid, port


# One process, so that its id is the one to measure; it is then the worker itself.
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/errors crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  server_tokens off;
  client_max_body_size 0;
  # Messages of 16 KiB in one piece: in two, each waits 40 ms for an acknowledgement.
  client_body_buffer_size {buffer}k;
  proxy_buffer_size {piece}k;
  proxy_buffers 8 {piece}k;
  proxy_busy_buffers_size {buffer}k;
  upstream gateway {{
    server 127.0.0.1:{upstream};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{look};
    return 200;
  }}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {tls}
    location / {{
      proxy_pass {scheme}://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""

# As the relay: version 1.3 only, the upstream's certificate checked, no session resumed.
_TLS = """
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_name bench;
    proxy_ssl_trusted_certificate {certificate};
    proxy_ssl_session_reuse off;
"""
