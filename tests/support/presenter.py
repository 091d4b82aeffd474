"""A process that shows credentials: `python presenter.py WALLET CHALLENGE KEY_ID LIMIT [LAST]`.

Both are in hex. It prints each presentation once it has it, and waits after LAST, to be killed.
"""

import sys
import time
from pathlib import Path

from tacita.client.errors import WalletEmpty
from tacita.client.wallet import Wallet
from tacita.privacypass.types.arc_challenge import CredentialChallenge

if __name__ == "__main__":
    path, challenge, key_id, limit, *rest = sys.argv[1:]
    wanted = CredentialChallenge.decode(bytes.fromhex(challenge))
    last = int(rest[0]) if rest else None
    shown = 0
    with Wallet.open(Path(path)) as wallet:
        while shown != last:
            try:
                token = wallet.present(wanted, int(limit), {bytes.fromhex(key_id)})
            except WalletEmpty:
                sys.exit(0)
            print(token.encode().hex(), flush=True)
            shown += 1
        time.sleep(600)
