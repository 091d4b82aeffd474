"""`tacita-relay --render nginx|haproxy`: the same relay as the configuration of another server."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from relay.config import RelayConfig
from relay.render import haproxy, nginx
from relay.render.plan import ROOTS, Address, Front, plan
from tacita.errors import TacitaError
from tacita.service.config import load
from tacita.service.run import EXIT_CONFIG

__all__ = ["EPILOG", "OPTION", "main"]

OPTION = "--render"

EPILOG = (
    "--render nginx|haproxy writes the configuration of another server instead, which forwards in this "
    "one's place; it has its own --help."
)

_RENDERERS = {"nginx": nginx.render, "haproxy": haproxy.render}


def main(arguments: Sequence[str]) -> int:
    """Write a configuration to standard output or a file; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tacita-relay",
        description="Write the configuration with which nginx or haproxy forwards messages by the "
        "relay's rules. The relay goes on running behind it, and serves the mirrored documents.",
    )
    parser.add_argument(OPTION, choices=_RENDERERS, required=True, help="the server")
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="the relay's TOML configuration"
    )
    parser.add_argument(
        "--listen", required=True, metavar="HOST:PORT", help="where the server takes clients' connections"
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="of the server (PEM chain)")
    parser.add_argument("--tls-private-key", type=Path, metavar="FILE", help="of the server (PEM)")
    parser.add_argument(
        "--roots",
        type=Path,
        default=ROOTS,
        metavar="FILE",
        help="the authorities that gateways without their own are checked by (PEM; default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write (default: standard output)"
    )
    told = parser.parse_args(arguments)
    try:
        front = Front(Address.parse(told.listen), told.tls_certificate, told.tls_private_key, told.roots)
        text = _RENDERERS[told.render](plan(load(told.config, RelayConfig), front))
        if told.output is None:
            sys.stdout.write(text)
        else:
            told.output.write_text(text)
    except (TacitaError, OSError) as error:
        sentence = error if isinstance(error, TacitaError) else f"Cannot write: {error.strerror}."
        sys.stderr.write(f"tacita-relay: {sentence}\n")
        return EXIT_CONFIG
    return 0
