"""Tokens of every type, as the clients of a gateway show them, and the keys that they stand under."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import partially_blind, rsa
from support.gateways import AUTHORITY, NOT_BEFORE, token

from gateway.token_types import TOKEN_TYPES
from tacita.bhttp import Field
from tacita.privacypass import auth
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import TokenKey
from tacita.privacypass.extensions import ExpirationTimestamp, Extensions
from tacita.privacypass.types import arc, partially_blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.service.key_folder import KeyName
from tacita.service.keyfiles import write_secret

__all__ = ["TYPES", "Minted", "expiring", "minted"]

LIMIT = 4
EPOCH_SECONDS = 86_400


def expiring(seconds: float) -> Extensions:
    """Return the extensions of a token that expires in about so many seconds."""
    ahead = int(time.time() + seconds) // 60 * 60
    return Extensions((ExpirationTimestamp(60, ahead).extension(),))


@dataclass
class Minted:
    """An issuer of one token type: its entry in the directory, and as many tokens as are asked for."""

    name: str
    key: TokenKey
    token: Callable[[], Field]
    private: bytes | None = None
    challenge: Any = None
    files: list[Path] = field(default_factory=list)

    def lend(self, folder: Path) -> None:
        """Put the private key into `folder`, as an issuer has it."""
        if self.private is not None:
            folder.mkdir(exist_ok=True)
            name = KeyName(NOT_BEFORE // EPOCH_SECONDS, self.name, EPOCH_SECONDS)
            self.files.append(folder / name.file)
            write_secret(self.files[-1], self.private)


def minted(name: str, issuer_name: str = "issuer.example", *, number: int = 0) -> Minted:
    """Return an issuer of tokens of the type `name`; each call makes other keys, or takes `number`."""
    return TYPES[name](TOKEN_TYPES[name].challenge(issuer_name, AUTHORITY), number)


def _blind_rsa(challenge: TokenChallenge, number: int) -> Minted:
    key = rsa.private_key(number)
    entry = TokenKey(2, key.public_key.spki, NOT_BEFORE)
    return Minted("blind-rsa", entry, lambda: token(key, challenge), challenge=challenge)


def _partially_blind_rsa(challenge: TokenChallenge, number: int) -> Minted:
    signer = partially_blind.signer()
    entry = TokenKey(0xDA7A, signer.public_key.spki, NOT_BEFORE)

    def make(extensions: Extensions | None = None, *, shown: Extensions | None = None) -> Field:
        extensions = extensions or expiring(3600)
        request, pending = partially_blind_rsa.request(challenge.encode(), signer.public_key, extensions)
        (response,) = partially_blind_rsa.issue([request], signer)
        found = partially_blind_rsa.finalize(pending, response)
        return b"authorization", auth.format_authorization(found, shown or extensions)

    return Minted("partially-blind-rsa", entry, make, challenge=challenge)


def _voprf(module: Any, name: str) -> Callable[[TokenChallenge, int], Minted]:
    def mint(challenge: TokenChallenge, number: int) -> Minted:
        key = module.PrivateKey.generate()
        entry = TokenKey(module.TOKEN_TYPE, key.public_key.encoding, NOT_BEFORE)

        def make() -> Field:
            request, pending = module.request(challenge.encode(), key.public_key)
            (response,) = module.issue([request], key)
            return b"authorization", auth.format_authorization(module.finalize(pending, response))

        return Minted(name, entry, make, key.to_bytes(), challenge)

    return mint


def _arc(challenge: CredentialChallenge, number: int) -> Minted:
    key = arc.PrivateKey.generate()
    request, pending = arc.request(challenge.encode(), key.public_key)
    (response,) = arc.issue([request], key)
    credential = arc.finalize(pending, response)
    entry = TokenKey(arc.TOKEN_TYPE, key.public_key.encoding, NOT_BEFORE)

    def make() -> Field:
        return b"authorization", auth.format_authorization(arc.present(credential, challenge, LIMIT))

    return Minted("arc", entry, make, key.to_bytes(), challenge)


TYPES: dict[str, Callable[[Any, int], Minted]] = {
    "blind-rsa": _blind_rsa,
    "partially-blind-rsa": _partially_blind_rsa,
    "voprf-p384": _voprf(voprf_p384, "voprf-p384"),
    "voprf-ristretto255": _voprf(voprf_ristretto255, "voprf-ristretto255"),
    "arc": _arc,
}
