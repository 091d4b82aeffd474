"""A process of its own that spends invitations: `python -m support.invited FOLDER CODE…`.

It asks for one token at a time, each request a new one, until each code is used up; then it writes
how many it got, by code, and under which accounts, as JSON.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from multidict import CIMultiDict

from issuer.attesters import Evidence
from issuer.attesters.invitation import InvitationAttester
from issuer.errors import QuotaUsedUp
from issuer.invitations import Invitations
from issuer.quota.claims import load_hash_key
from issuer.quota.sqlite import SqliteQuota


async def spend(folder: Path, codes: list[str]) -> list[tuple[int, str]]:
    async with (
        InvitationAttester(Invitations(folder / "invitations.sqlite")) as attester,
        SqliteQuota(folder / "quota.sqlite", load_hash_key(folder / "quota.key"), 86_400) as quota,
    ):

        async def one(code: str) -> tuple[int, str]:
            got = 0
            while True:
                account = await attester.attest(Evidence(CIMultiDict({"Authorization": f"Bearer {code}"})))
                try:
                    await quota.charge(account, os.urandom(32), 1)
                except QuotaUsedUp:
                    return got, account.id
                got += 1

        return await asyncio.gather(*map(one, codes))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(spend(Path(sys.argv[1]), sys.argv[2:]))))
