"""The sample configurations in deploy/, and copies of them that can be started in a folder of a test."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tacita.cli.ports import free_ports
from tacita.service.config import Struct, load

__all__ = ["DEPLOY", "SAMPLES", "Sample", "move", "outside_world"]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

_TYPES = {
    "relay": ("relay.config", "RelayConfig"),
    "gateway": ("gateway.config", "GatewayConfig"),
    "issuer": ("issuer.config", "IssuerConfig"),
    "node": ("node.config", "NodeConfig"),
}


@dataclass(frozen=True)
class Sample:
    """A sample: its file, and the role that reads it."""

    path: Path
    role: str

    @property
    def name(self) -> str:
        """The path below deploy/."""
        return str(self.path.relative_to(DEPLOY))

    def load(self, path: Path | None = None) -> Struct:
        """Read the sample, or its copy at `path`, as its role does. Raises `ConfigError`."""
        module, name = _TYPES[self.role]
        kind: type[Struct] = getattr(import_module(module), name)
        return load(path or self.path, kind)


SAMPLES = [
    Sample(path, "relay" if path.stem == "mirror" else path.stem)
    for folder in ("config", "compose")
    for path in sorted((DEPLOY / folder).glob("*.toml"))
]


def move(text: str, folder: Path, replacements: Mapping[str, str]) -> tuple[str, int, int]:
    """Return a sample's text with free loopback ports and its files in `folder`, and the two ports."""
    ports = free_ports(2)
    for table, port in zip(("listen", "admin"), ports, strict=True):
        text, count = re.subn(rf"(\[{table}\]\n(?:[^\[]*\n)?port = )\d+", rf"\g<1>{port}", text)
        assert count == 1, f"the sample has no port in [{table}]"
    text = text.replace('"0.0.0.0"', '"127.0.0.1"').replace("/var/lib/tacita", str(folder))
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text, *ports


def outside_world(text: str) -> dict[str, str]:
    """Return replacements that point each URL of `text` to a closed loopback port: no name is asked for."""
    urls = {match[0] for match in re.finditer(r"https?://[a-z][a-z.]*(:\d+)?", text)}
    return dict.fromkeys(sorted(urls, key=len, reverse=True), "http://127.0.0.1:9")
