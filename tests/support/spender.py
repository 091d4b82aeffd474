"""A process that spends tokens until it is killed: `python spender.py STORE KEY_ID EXPIRES`.

It prints the nonce of each token, in hex, once the reservation was acknowledged.
"""

import asyncio
import os
import sys

from gateway.stores import open_store


async def _spend(location: str, token_key_id: bytes, expires: int) -> None:
    store = await open_store(location)

    async def worker() -> None:
        while True:
            nonce = os.urandom(32)
            await store.reserve(token_key_id, nonce, expires=expires)
            print(nonce.hex(), flush=True)

    await asyncio.gather(*(worker() for _ in range(32)))


if __name__ == "__main__":
    asyncio.run(_spend(sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3])))
