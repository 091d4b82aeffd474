"""A process that takes tokens: `python taker.py WALLET CHALLENGE KEY_ID [LAST]`, digests in hex.

It prints each token in hex once it has it. With LAST it waits after that many, to be killed.
"""

import sys
import time
from pathlib import Path

from tacita.client.errors import WalletEmpty
from tacita.client.wallet import Wallet

if __name__ == "__main__":
    path, challenge, key_id, *rest = sys.argv[1:]
    last = int(rest[0]) if rest else None
    taken = 0
    with Wallet.open(Path(path)) as wallet:
        while taken != last:
            try:
                token = wallet.take(bytes.fromhex(challenge), {bytes.fromhex(key_id)})
            except WalletEmpty:
                sys.exit(0)
            print(token.encode().hex(), flush=True)
            taken += 1
        time.sleep(600)
