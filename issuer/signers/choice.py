"""From the table `[signer]` to the kinds of keys that an issuer has, signing as the table says.

    with open_engine(config.signer) as engine:
        keys = IssuerKeys.of(config.keys, kinds=engine.kinds)

Keys in an HSM live and die as all others: the key folder has a file for each, which holds nothing but a
PKCS#11 URI (RFC 7512) with the key's label. Keys that were in memory before stay usable until they
die, so an issuer can move into an HSM between two boundaries.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Self

from issuer.key_types import BLIND_RSA, KEY_TYPES, Engine, KeyType, SigningKey, blind_rsa_keys
from issuer.signers.config import HsmTable, SignerConfig
from issuer.signers.hsm_process import HsmConfig, HsmProcess
from tacita.crypto.engines.survey import ENGINES
from tacita.crypto.signer import best_signer
from tacita.privacypass.types import blind_rsa

__all__ = ["OpenEngine", "open_engine", "process_of"]

_REFERENCE = re.compile(rb"pkcs11:object=([A-Za-z0-9][A-Za-z0-9_-]{0,31}\.[0-9a-f]{32})\n")


class OpenEngine:
    """The kinds of keys by name, for one way of signing. Close it when nothing signs any more."""

    def __init__(self, kinds: Mapping[str, KeyType], hsm: HsmProcess | None = None) -> None:
        self.kinds = kinds
        self._hsm = hsm

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that talks to the HSM, if there is one."""
        if self._hsm is not None:
            self._hsm.close()


def open_engine(config: SignerConfig) -> OpenEngine:
    """Return the engine of `config`.

    Raises:
        SigningUnavailable: the HSM cannot be used as configured. (An engine for keys in memory that
            this machine does not have is refused when the first key is loaded, by the same error.)
        SignerUnreachable: the HSM does not answer.
    """
    if config.hsm is not None:
        hsm = process_of(config.hsm)
        kind = _hsm_keys(hsm, config.hsm.label_prefix)
        return OpenEngine({**KEY_TYPES, BLIND_RSA: kind}, hsm)
    engine: Engine = best_signer if config.engine == "auto" else ENGINES[config.engine]
    return OpenEngine({**KEY_TYPES, BLIND_RSA: blind_rsa_keys(engine)})


def process_of(table: HsmTable) -> HsmProcess:
    """Start the process that talks to the HSM of `table`. Raises as `open_engine`."""
    return HsmProcess(HsmConfig(table.module, table.token, table.pin_file, table.seconds))


def _hsm_keys(hsm: HsmProcess, prefix: str) -> KeyType:
    in_memory = blind_rsa_keys(best_signer)

    def generate() -> bytes:
        label = f"{prefix}.{secrets.token_hex(16)}"
        hsm.generate(label)
        return f"pkcs11:object={label}\n".encode()

    def load(content: bytes) -> SigningKey:
        reference = _REFERENCE.fullmatch(content)
        return hsm.signer(reference[1].decode()) if reference else in_memory.load(content)

    def discard(content: bytes) -> None:
        if reference := _REFERENCE.fullmatch(content):
            hsm.destroy(reference[1].decode())

    return KeyType(BLIND_RSA, blind_rsa.TOKEN_TYPE, generate, load, discard)
