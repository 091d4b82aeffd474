"""The keys that a gateway opens requests with (RFC 9458, Sections 4.3 and 6.4)."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from tacita.crypto.hpke import OpenFailed, PrivateKey, RecipientSetup
from tacita.ohttp.errors import SuiteNotOffered, UnknownKey
from tacita.ohttp.exchange import CHUNKED, HEADER_SIZE, ONE_SHOT, Labels, header
from tacita.ohttp.keyconfig import KeyConfig

__all__ = ["GatewayKey", "GatewayKeys"]


class GatewayKey:
    """A published configuration and its private key.

    Prepares everything that does not depend on a message, once for each offered suite
    and each form of the protocol.
    """

    __slots__ = ("config", "private_key", "setups", "stand_in")

    def __init__(self, config: KeyConfig, private_key: PrivateKey) -> None:
        """Take a pair.

        Raises:
            ValueError: the private key is not that of `config`, or no offered suite is implemented.
        """
        if private_key.public_key != config.public_key:
            raise ValueError("the private key does not belong to the key configuration")
        if not config.suites:
            raise ValueError("the key configuration offers no suite that is implemented")
        self.config = config
        self.private_key = private_key
        _, self.stand_in = private_key.public_key.encapsulate()
        """An encapsulated key for messages without one; nobody knows what is inside."""
        self.setups = {
            (labels, head): RecipientSetup(suite, private_key, labels.info(head))
            for labels in (ONE_SHOT, CHUNKED)
            for suite in config.suites
            for head in (header(config.key_id, suite),)
        }

    def __repr__(self) -> str:
        return f"<GatewayKey {self.config.kem.name}>"


class GatewayKeys:
    """The keys in force, by key id. Immutable: rotation makes a new set.

    A request is matched by its whole header, so that nothing but the published
    combinations of key, KEM, KDF and AEAD is ever tried.
    """

    __slots__ = ("_by_id", "_setups")

    def __init__(self, keys: Iterable[GatewayKey]) -> None:
        """Take the keys, the preferred one first.

        Raises:
            ValueError: two keys have the same id (only trial decryption could choose).
        """
        self._by_id: dict[int, GatewayKey] = {}
        self._setups: dict[tuple[Labels, bytes], RecipientSetup] = {}
        for key in keys:
            if key.config.key_id in self._by_id:
                raise ValueError("two gateway keys have the same key id")
            self._by_id[key.config.key_id] = key
            self._setups.update(key.setups)

    def get(self, key_id: int) -> GatewayKey | None:
        """Return the key with this id, if there is one."""
        return self._by_id.get(key_id)

    def __iter__(self) -> Iterator[GatewayKey]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def setup(self, labels: Labels, head: bytes) -> RecipientSetup:
        """Return the receiving side for a request with the 7-byte header `head`.

        Raises:
            UnknownKey: no key has this id.
            SuiteNotOffered: the key does not offer this KEM, KDF and AEAD.
        """
        setup = self._setups.get((labels, head))
        if setup is None:
            raise SuiteNotOffered if head[0] in self._by_id else UnknownKey
        return setup

    def in_vain(self, labels: Labels, message: bytes) -> None:
        """Spend on `message`, which is no request, the time that it takes to find one that does not open.

        Under a key id that is known, that is: the others are public.
        """
        key = self._by_id.get(message[0]) if message else None
        if key is not None:
            setup = key.setups[labels, header(key.config.key_id, key.config.suites[0])]
            with suppress(OpenFailed):
                setup.open(key.stand_in).open(b"", message[HEADER_SIZE:].ljust(setup.suite.n_t, b"\0"))
