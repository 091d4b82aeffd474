"""Hybrid Public Key Encryption (RFC 9180), base mode, with secret export.

    private_key = PrivateKey.generate(Kem.X25519)
    suite = Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_128_GCM)

    enc, sender = setup_sender(suite, private_key.public_key, b"application")
    sealed = sender.seal(b"", b"hello")

    setup = RecipientSetup(suite, private_key, b"application")  # once for each key
    recipient = setup.open(enc)                                 # once for each message
    assert recipient.open(b"", sealed) == b"hello"
    assert recipient.export(b"answer", 16) == sender.export(b"answer", 16)

The one-shot HPKE of `cryptography` has no export, which Oblivious HTTP needs; this
package builds the key schedule over that library's primitives. Only base mode is
here: Oblivious HTTP authenticates no sender.

`suites` names the algorithms, `kem_*` are the key encapsulations (one file each
behind `kem`), `kdf` and `aead` the symmetric half, `schedule` derives a context's
secrets, `contexts` and `setup` are what callers hold.
"""

from tacita.crypto.hpke.contexts import RecipientContext, SenderContext
from tacita.crypto.hpke.errors import HpkeError, InvalidKey, MessageLimitReached, OpenFailed
from tacita.crypto.hpke.keys import PrivateKey, PublicKey
from tacita.crypto.hpke.setup import RecipientSetup, setup_sender
from tacita.crypto.hpke.suites import Aead, Kdf, Kem, Suite

__all__ = [
    "Aead",
    "HpkeError",
    "InvalidKey",
    "Kdf",
    "Kem",
    "MessageLimitReached",
    "OpenFailed",
    "PrivateKey",
    "PublicKey",
    "RecipientContext",
    "RecipientSetup",
    "SenderContext",
    "Suite",
    "setup_sender",
]
