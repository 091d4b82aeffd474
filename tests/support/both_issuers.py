"""Our issuer and one of npm `@cloudflare/privacypass-ts`, each as a process, in one form for tests of both.

async with our_issuer(folder, certificate) as issuer, gateway_for(issuer, place) as gateway: ...
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.gateways import AUTHORITY, PATH, Gateway, Place
from support.issuers import WEEK, add_account
from support.javascript import Scripts
from support.ports import free_ports
from support.processes import role

from issuer.key_folder import KeyFolder
from issuer.key_types import types_named
from issuer.keys import IssuerKeys
from tacita.crypto.keyring import Schedule
from tacita.ohttp.keyconfig import decode_list
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import WELL_KNOWN, TokenKey
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa, partially_blind_rsa, voprf_p384, voprf_ristretto255

__all__ = [
    "METADATA",
    "MODULES",
    "RISTRETTO",
    "RSA",
    "VOPRF",
    "Issuer",
    "gateway_for",
    "our_issuer",
    "their_issuer",
]

RSA, VOPRF = blind_rsa.TOKEN_TYPE, voprf_p384.TOKEN_TYPE
RISTRETTO, METADATA = voprf_ristretto255.TOKEN_TYPE, partially_blind_rsa.TOKEN_TYPE
_PRIVATELY = {VOPRF, RISTRETTO}
_NAMES = ("blind-rsa", "voprf-p384", "voprf-ristretto255")
"""What our issuer has keys for; the library does not know the last, and ought to get along with it."""

MODULES: dict[int, Any] = {RSA: blind_rsa, VOPRF: voprf_p384}


@dataclass
class Issuer:
    """An issuer of either side, as a client of the library finds it."""

    name: str
    """What stands in challenges: where its directory is, over https."""
    credential: str
    """The value of the Authorization field that it takes."""
    certificate: Path
    keys: dict[int, TokenKey]
    """What it issues under now, by token type."""
    verifying: dict[int, Any]
    """The keys with which our functions verify its tokens."""
    plain_url: str = ""
    """Where it is over plain http, too, if anywhere."""

    @property
    def environment(self) -> dict[str, str]:
        """What Node.js needs to trust its certificate."""
        return {"NODE_EXTRA_CA_CERTS": str(self.certificate)}

    def challenge(self, token_type: int = RSA) -> TokenChallenge:
        """Return what `AUTHORITY` asks for, with tokens of this issuer."""
        return TokenChallenge(token_type, self.name, b"", (AUTHORITY,))

    def verify(self, token: Token) -> Token:
        """Return `token` if our functions take it for this issuer's challenge of its type."""
        key, digest = self.verifying[token.token_type], self.challenge(token.token_type).digest()
        verified: Token = MODULES[token.token_type].verify(token, key, digest)
        return verified


@asynccontextmanager
async def our_issuer(
    folder: Path, certificate: tuple[Path, Path], names: Sequence[str] = _NAMES
) -> AsyncIterator[Issuer]:
    """Run our issuer with keys of the types `names`."""
    keys = IssuerKeys(KeyFolder(folder / "keys"), types_named(names), Schedule(WEEK), prepare=False)
    keys.turn()
    issuing = {key.token_type: key for key in keys.present().issuing if key.may_issue}
    port, admin_port = free_ports(2)
    text = f"""
        public_url = "https://127.0.0.1:{port}"
        attester = {{ kind = "api-key", accounts = "accounts.json" }}
        admin = {{ port = {admin_port} }}
        keys = {{ folder = "keys", types = {list(names)}, period_seconds = {WEEK} }}
        quota = {{ database = "quota.sqlite", hash_key = "quota.key" }}
        tiers = {{ standard = 1000 }}
        [listen]
        port = {port}
        tls_certificate = "{certificate[0]}"
        tls_private_key = "{certificate[1]}"
        """
    credential = add_account(folder, "alice")["Authorization"]
    async with role("issuer", text, folder, admin_port=admin_port):
        yield Issuer(
            f"127.0.0.1:{port}",
            credential,
            certificate[0],
            {kind: TokenKey(kind, key.public_key, key.not_before) for kind, key in issuing.items()},
            {
                kind: key.signer if kind in _PRIVATELY else key.signer.public_key
                for kind, key in issuing.items()
            },
        )


@asynccontextmanager
async def their_issuer(scripts: Scripts, certificate: tuple[Path, Path]) -> AsyncIterator[Issuer]:
    """Run an issuer of the library."""
    pair = {"certificate": certificate[0].read_text(), "private_key": certificate[1].read_text()}
    async with scripts.serving("issuer.mjs", pair) as said:
        spki = bytes.fromhex(said["rsa"])
        private = voprf_p384.load_private_key(bytes.fromhex(said["voprf_private"]))
        yield Issuer(
            f"127.0.0.1:{said['tls_port']}",
            "Bearer anybody",
            certificate[0],
            {RSA: TokenKey(RSA, spki), VOPRF: TokenKey(VOPRF, bytes.fromhex(said["voprf"]))},
            {RSA: blind_rsa.load_public_key(spki), VOPRF: private},
            f"http://127.0.0.1:{said['port']}",
        )


@asynccontextmanager
async def gateway_for(issuer: Issuer, place: Place) -> AsyncIterator[Gateway]:
    """Run our gateway, which trusts the directory of `issuer`: over plain http, or a mirror's copy."""
    port, admin_port = free_ports(2)
    if issuer.plain_url:
        place.directory_port = int(issuer.plain_url.rpartition(":")[2])
    else:
        place.token_keys = tuple(issuer.keys.values())
    text = place.config(port=port, admin_port=admin_port)
    text = text.replace('"issuer.example"', f'"{issuer.name}"').replace('/directory"', f'{WELL_KNOWN}"')
    async with role("gateway", text, place.folder, admin_port=admin_port):
        _, configs = await Gateway(port, []).raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield Gateway(port, decode_list(configs))
