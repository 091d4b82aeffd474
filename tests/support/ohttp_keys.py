"""Gateway keys for tests: made from a seed, so that a failure repeats."""

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.ohttp import GatewayKey, KeyConfig


def gateway_key(
    kem: Kem = Kem.X25519,
    key_id: int = 1,
    seed: int = 1,
    aeads: tuple[Aead, ...] = tuple(Aead),
    kdfs: tuple[Kdf, ...] = (Kdf.HKDF_SHA256,),
) -> GatewayKey:
    """Return a key that offers each of `kdfs` with each of `aeads`."""
    private_key = PrivateKey.derive(kem, bytes([seed]) * 64)
    algorithms = tuple((int(kdf), int(aead)) for kdf in kdfs for aead in aeads)
    return GatewayKey(KeyConfig(key_id, kem, private_key.public_key, algorithms), private_key)
