"""The gateway's key pairs, from their files."""

from collections.abc import Iterable
from pathlib import Path

from gateway.config import KeyConfigEntry
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.errors import ConfigError, TacitaError
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig
from tacita.service.keyfiles import create_secret, read_secret

__all__ = ["load_keys"]

_KEMS = {"x25519": Kem.X25519, "p256": Kem.P256}
_ALGORITHMS = tuple(
    (Kdf.HKDF_SHA256, aead) for aead in (Aead.AES_128_GCM, Aead.AES_256_GCM, Aead.CHACHA20_POLY1305)
)


def load_keys(entries: Iterable[KeyConfigEntry]) -> GatewayKeys:
    """Read (or, at the first start, make) the private keys of `entries`.

    Raises:
        ConfigError: a file is unreadable, readable by others, or not a key of its KEM.
    """
    return GatewayKeys([_load(entry) for entry in entries])


def _load(entry: KeyConfigEntry) -> GatewayKey:
    kem = _KEMS[entry.kem]
    private_key = _read_or_make(entry.private_key, kem)
    config = KeyConfig(entry.id, kem, private_key.public_key, _ALGORITHMS)
    return GatewayKey(config, private_key)


def _read_or_make(path: Path, kem: Kem) -> PrivateKey:
    try:
        # Of two gateways that start at the same time one makes the key, and both read it.
        if not path.exists():
            create_secret(path, PrivateKey.generate(kem).to_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} (a private key of the gateway) cannot be made: {error.strerror}."
        ) from None
    try:
        return PrivateKey.from_bytes(kem, read_secret(path, "a private key of the gateway"))
    except ConfigError:
        raise
    except TacitaError:
        raise ConfigError(
            f"{path} does not hold a private key of the KEM that the configuration names."
        ) from None
