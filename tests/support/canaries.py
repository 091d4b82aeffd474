"""Looking for secrets in bytes, in the forms in which programs write them.

    found = Canaries({"prompt": prompt, "token": token}).in_bytes(content)

A name is found when its bytes stand there as they are, in hexadecimal, in base64 or base64url
at any alignment, percent-encoded, in UTF-16, or as a list of numbers.
"""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote_from_bytes

__all__ = ["Canaries", "contents", "forms", "windows"]


def forms(secret: bytes) -> set[bytes]:
    """Return every form of `secret` that is looked for."""
    found = {secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()}
    found |= {secret.hex(" ").encode(), secret.hex(":").encode()}
    found |= {_numbers(secret), quote_from_bytes(secret).encode()}
    found.add(repr(secret)[2:-1].encode())
    for before in range(3):
        # Digits with bits of what stands before or behind are left out; the others are always the same.
        whole = base64.b64encode(bytes(before) + secret)
        start, end = (0, 2, 3)[before], (0, 3, 2)[(len(secret) + before) % 3]
        middle = whole[start : len(whole) - end]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    if secret.isascii():
        found |= {secret.decode("ascii").encode(kind) for kind in ("utf-16-le", "utf-16-be")}
    return found


def _numbers(secret: bytes) -> bytes:
    return ", ".join(map(str, secret)).encode()


def windows(secret: bytes, size: int = 16, step: int = 4) -> list[bytes]:
    """Return stretches of `secret` such that any `size + step` bytes in a row hold one of them."""
    return [secret[start : start + size] for start in range(0, max(len(secret) - size, 0) + 1, step)]


class Canaries:
    """Named secrets; each is one or several byte strings of at least eight bytes."""

    def __init__(self, secrets: Mapping[str, bytes | Iterable[bytes]]) -> None:
        self._forms: dict[str, set[bytes]] = {}
        for name, secret in secrets.items():
            pieces = [secret] if isinstance(secret, bytes) else list(secret)
            assert pieces, f"{name} is empty"
            assert min(map(len, pieces)) >= 8, f"{name} is too short to be looked for"
            self._forms[name] = set().union(*map(forms, pieces))

    @property
    def names(self) -> set[str]:
        """The names of all secrets."""
        return set(self._forms)

    def in_bytes(self, content: bytes) -> set[str]:
        """Return the names of the secrets that stand in `content`."""
        return {name for name, found in self._forms.items() if any(form in content for form in found)}


def contents(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file in `folder` and below; sockets and pipes have none."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
