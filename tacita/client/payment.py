"""What a request is paid with: a token of one type or another, as the wallet has it.

    Session(endpoints, trust, wallet)                               # tokens: type 0x0002, everybody's
    Session(endpoints, trust, wallet, purse=expiring_tokens())      # type 0xDA7A
    Session(endpoints, trust, wallet, purse=presentations(limit))   # type 0xE5AC, experimental

Each type is an anonymity set of its own: take the first unless the gateway's operator says otherwise. All of
them are for the published challenge, with the number of the type changed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.privacypass import auth
from tacita.privacypass.auth import AnyToken
from tacita.privacypass.extensions import Extensions
from tacita.privacypass.types import arc, partially_blind_rsa

__all__ = ["Payment", "Purse", "expiring_tokens", "presentations", "tokens"]


@dataclass(frozen=True, slots=True)
class Payment:
    """A token that has left the wallet, and the extensions that go with it."""

    token: AnyToken
    extensions: Extensions | None = field(default=None, repr=False)

    def authorization(self) -> bytes:
        """Return the value of the Authorization field."""
        return auth.format_authorization(self.token, self.extensions)


Purse: TypeAlias = Callable[[Wallet, Trust], Payment]
"""Takes what one request costs out of a wallet, durably, before it returns.

Raises `WalletEmpty`, `WalletUnavailable`, `LimitReached`.
"""


def tokens(wallet: Wallet, trust: Trust) -> Payment:
    """Take a token of type 0x0002."""
    return Payment(wallet.take(trust.challenge.digest(), trust.token_key_ids()))


def expiring_tokens(clock: Callable[[], float] = time.time) -> Purse:
    """Take tokens of type 0xDA7A that have not expired by `clock` (UNIX seconds)."""

    def purse(wallet: Wallet, trust: Trust) -> Payment:
        kind = partially_blind_rsa.TOKEN_TYPE
        taken = wallet.take_expiring(trust.challenge_for(kind).digest(), trust.key_ids(kind), clock())
        return Payment(taken.token, taken.extensions)

    return purse


def presentations(limit: int) -> Purse:
    """Show credentials of type 0xE5AC, each as often as `limit`, which the gateway publishes, allows."""

    def purse(wallet: Wallet, trust: Trust) -> Payment:
        challenge = trust.credential_challenge()
        return Payment(wallet.present(challenge, limit, trust.key_ids(arc.TOKEN_TYPE)))

    return purse
