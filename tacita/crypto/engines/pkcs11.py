"""Signs inside a hardware security module, through PKCS#11 (CKM_RSA_X_509: the raw private operation).

    with Pkcs11Session(module, token="tacita", pin=pin) as session:
        signer = session.signer("blind-rsa-2048.1893456000")

There is one session, with one lock around it: modules crash under two sessions in two
threads (SoftHSM2 does), and a device gains nothing from them. A module that hangs or crashes
takes its process along, so a service keeps this in a process of its own
(`issuer.signers.hsm_process`).

The key never leaves the device. It is found by its label, must be the only one with it, and
each result is checked here by the public exponent. Needs the extra `hsm`.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from tacita.crypto import modular
from tacita.crypto.engines.errors import SignerUnreachable, SigningFailed, SigningUnavailable
from tacita.crypto.rsa_keys import KeyMalformed, RsaPublicKey
from tacita.errors import TacitaError

try:
    import pkcs11
except ImportError:
    pkcs11 = None  # type: ignore[assignment]

__all__ = ["Pkcs11Session", "Pkcs11Signer"]

_BITS = 2048


class Pkcs11Session:
    """The one session of this process with the token labelled `token`, behind the library `module`."""

    def __init__(self, module: Path, *, token: str, pin: str) -> None:
        """Load the library, log in, and keep the session open.

        Raises:
            SigningUnavailable: the extra `hsm` is missing, the library does not load, or there is no
                such token, or not with this PIN.
        """
        if pkcs11 is None:
            raise SigningUnavailable("python-pkcs11 is not installed; install the extra `hsm`.")
        try:
            found = pkcs11.lib(str(module)).get_token(token_label=token)
            self._session = found.open(user_pin=pin, rw=True)
        except (pkcs11.PKCS11Error, RuntimeError, OSError):
            raise SigningUnavailable(
                "The HSM cannot be used; check the path of its library, the token's label and the PIN."
            ) from None
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out. Signers of this session raise `SignerUnreachable` from now on."""
        with self._lock:
            if not self._closed:
                self._closed = True
                with suppress(pkcs11.PKCS11Error):  # the device may have closed it
                    self._session.close()

    def signer(self, label: str) -> "Pkcs11Signer":
        """Return a signer for the private key with `label`.

        Raises:
            SigningUnavailable: there is none or more than one, or it is not an RSA key that we use.
            SignerUnreachable: the device does not answer.
        """
        with self._lock:
            # Looking something up in a session that is over would leave python-pkcs11 in disorder.
            if self._closed:
                raise _unreachable()
            try:
                key = self._session.get_key(
                    object_class=pkcs11.ObjectClass.PRIVATE_KEY, key_type=pkcs11.KeyType.RSA, label=label
                )
                modulus, exponent = key[pkcs11.Attribute.MODULUS], key[pkcs11.Attribute.PUBLIC_EXPONENT]
            except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned, pkcs11.AttributeTypeInvalid):
                raise SigningUnavailable(
                    "The HSM does not hold exactly one RSA private key with the configured label."
                ) from None
            except pkcs11.PKCS11Error:
                raise _unreachable() from None
        numbers = RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        try:
            return Pkcs11Signer(self._lock, key, RsaPublicKey.from_numbers(numbers))
        except KeyMalformed:
            raise SigningUnavailable(
                "The key in the HSM is not one of 2048 to 4096 bits with exponent 65537; make another."
            ) from None

    def generate(self, label: str) -> None:
        """Make a key of 2048 bits called `label`, which cannot be read out.

        Raises:
            SigningUnavailable: there is one of that label, or the device does not make such keys.
            SignerUnreachable: the device does not answer.
        """
        with self._lock:
            if self._closed:
                raise _unreachable()
            if list(self._objects(label)):
                raise SigningUnavailable("The HSM has a key with this label already; choose another.")
            template = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
            try:
                self._session.generate_keypair(
                    pkcs11.KeyType.RSA,
                    _BITS,
                    label=label,
                    store=True,
                    capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                    private_template=template,
                )
            except (pkcs11.MechanismInvalid, pkcs11.TemplateInconsistent, pkcs11.AttributeValueInvalid):
                raise SigningUnavailable(
                    "The HSM does not make RSA keys of 2048 bits that only sign."
                ) from None
            except pkcs11.PKCS11Error:
                raise _unreachable() from None

    def destroy(self, label: str) -> None:
        """Destroy the key called `label`, both halves; nothing happens where there is none.

        Raises:
            SignerUnreachable: the device does not answer.
        """
        with self._lock:
            if self._closed:
                raise _unreachable()
            try:
                for found in list(self._objects(label)):
                    found.destroy()
            except pkcs11.PKCS11Error:
                raise _unreachable() from None

    def _objects(self, label: str) -> Iterator[Any]:
        for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
            try:
                yield from self._session.get_objects(
                    {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: label}
                )
            except pkcs11.PKCS11Error:
                raise _unreachable() from None


class Pkcs11Signer:
    """A `Signer` for one key in a device. Made by `Pkcs11Session.signer`."""

    def __init__(self, lock: threading.Lock, private_key: Any, public_key: RsaPublicKey) -> None:
        """Take the key as python-pkcs11 has it, and the `lock` of the session that it belongs to."""
        self.public_key: RsaPublicKey = public_key
        self.modulus_size: int = public_key.modulus_size
        self._lock = lock
        self._private_key = private_key

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: a result does not verify; none is returned.
            SignerUnreachable: the device does not answer; none is returned.
        """
        values = [self.public_key.representative(message) for message in blinded]
        signatures = []
        for message, value in zip(blinded, values, strict=True):
            signature = self._raw(message)
            raised = modular.power(int.from_bytes(signature, "big"), self.public_key.e, self.public_key.n)
            if raised != value:
                raise SigningFailed("A signature came out wrong and was withheld; check the key and the HSM.")
            # Some modules leave leading zeros off.
            signatures.append(signature.rjust(self.modulus_size, b"\0"))
        return signatures

    def _raw(self, message: bytes) -> bytes:
        with self._lock:
            try:
                return bytes(self._private_key.sign(message, mechanism=pkcs11.Mechanism.RSA_X_509))
            except (pkcs11.FunctionFailed, pkcs11.DataInvalid, pkcs11.DataLenRange):
                failure: TacitaError = SigningFailed("The HSM could not sign; nothing was released.")
            except pkcs11.PKCS11Error:
                failure = _unreachable()
        raise failure


def _unreachable() -> SignerUnreachable:
    return SignerUnreachable("The HSM that holds the key does not answer; try again later.")
