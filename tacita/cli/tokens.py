"""`tacita tokens`: how many are in the wallet, and filling it at moments of no meaning."""

import argparse
import sys

from tacita.client.endpoints import Endpoints
from tacita.client.issuance import fetch_batch, read_credential
from tacita.client.prefetch import is_low, keep_filled
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.errors import TacitaError

__all__ = ["run"]


async def run(options: argparse.Namespace) -> int:
    """Print how many tokens there are, after fetching some if that is wanted; or stay. Returns 0."""
    endpoints = Endpoints.load(options.state / "endpoints.json")
    credential = read_credential(endpoints.issuer.credential)
    with Wallet.open(options.state / "wallet.sqlite") as wallet:

        async def fill(*, always: bool = False) -> int:
            # The mirrors are asked at each moment, the issuer only where something is missing.
            trust = await Trust.fetch(endpoints)
            challenge, keys = trust.challenge.digest(), trust.token_key_ids()
            if always or is_low(wallet.count(challenge, keys)):
                wallet.add(await fetch_batch(endpoints.issuer, trust, credential))
            return wallet.count(challenge, keys)

        if options.keep:
            await keep_filled(fill, told=_say)
        elif options.fetch:
            print(await fill(always=True))
        else:
            trust = await Trust.fetch(endpoints)
            print(wallet.count(trust.challenge.digest(), trust.token_key_ids()))
    return 0


def _say(error: TacitaError) -> None:
    print(f"tacita: {error}", file=sys.stderr, flush=True)
