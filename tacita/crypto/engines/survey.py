"""Which engines this machine has, and how fast each one signs: what `tacita-issuer --engines` prints.

Engines that want a device with a key in it (`pkcs11`) are measured by whoever has one:
`measure` takes any signer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tacita.crypto.engines.crypto_mb import CryptoMbSigner
from tacita.crypto.engines.errors import SigningUnavailable
from tacita.crypto.engines.gmp import GmpSigner
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import Signer

__all__ = ["BATCH", "ENGINES", "Clock", "EngineReport", "measure", "survey"]

BATCH = 100
"""Messages in a batch that is measured: what a client asks for at a time."""

Clock: TypeAlias = Callable[[], float]
"""Returns seconds that never go back, like `time.perf_counter`."""


class _Engine(Protocol):
    def __call__(self, private_key: RsaPrivateKey, /) -> Signer: ...


ENGINES: dict[str, _Engine] = {
    "crypto_mb": CryptoMbSigner,
    "libcrypto": LibcryptoSigner,
    "gmp": GmpSigner,
}
"""Name and class of each engine for keys in memory, in the order in which `best_signer` tries them."""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One engine. Where it cannot sign here, `per_second` is None and `missing` says why, in a sentence."""

    name: str
    per_second: float | None
    missing: str = ""


def survey(
    *, private_key: RsaPrivateKey | None = None, seconds: float = 1.0, clock: Clock = time.perf_counter
) -> list[EngineReport]:
    """Measure each engine for about `seconds` on one thread, fastest choice first.

    Without a `private_key` a 2048-bit key is made for it and thrown away.
    """
    key = RsaPrivateKey.generate() if private_key is None else private_key
    reports = []
    for name, engine in ENGINES.items():
        try:
            signer = engine(key)
        except SigningUnavailable as error:
            reports.append(EngineReport(name, None, str(error)))
        else:
            reports.append(EngineReport(name, measure(signer, seconds=seconds, clock=clock)))
    return reports


def measure(signer: Signer, *, seconds: float = 1.0, clock: Clock = time.perf_counter) -> float:
    """Return how many signatures a second `signer` makes in batches of `BATCH`, checks included.

    Raises:
        SigningFailed, SignerUnreachable: as `signer`.
    """
    # Which messages makes no difference to any engine: all of them take the same time for all.
    messages = [number.to_bytes(signer.modulus_size, "big") for number in range(2, 2 + BATCH)]
    signer.sign(messages)  # the first batch also fills caches
    begin, signed = clock(), 0
    while (passed := clock() - begin) < seconds or not signed:
        signer.sign(messages)
        signed += BATCH
    return signed / passed
