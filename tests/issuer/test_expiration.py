"""Type 0xDA7A over real HTTP."""

import time
from pathlib import Path

import aiohttp
from aiohttp import web
from support import partially_blind
from support.issuers import add_account, charged

import issuer
from issuer.accounts import AccountsFile
from issuer.attesters.api_key import ApiKeyAttester
from issuer.directory import WELL_KNOWN
from issuer.key_types import KEY_TYPES
from issuer.quota.sqlite import SqliteQuota
from issuer.token_requests import PATH
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.extensions import ExpirationPolicy, Extension, Extensions
from tacita.privacypass.issuing import REQUEST_MEDIA_TYPE, IssuingKey, IssuingKeys
from tacita.privacypass.types import partially_blind_rsa

POLICY = ExpirationPolicy(3600, 86_400)
CHALLENGE = TokenChallenge(partially_blind_rsa.TOKEN_TYPE, "issuer.example", b"", ("gateway.example",))


async def test_a_token_that_expires(tmp_path: Path) -> None:
    alice = add_account(tmp_path, "alice") | {"Content-Type": REQUEST_MEDIA_TYPE}
    app = issuer.create_app(
        "https://issuer.example",
        keys=IssuingKeys([IssuingKey(partially_blind.signer(), 0, may_issue=True)]),
        attester=ApiKeyAttester(AccountsFile(tmp_path / "accounts.json"), {"standard": 10}),
        quota=SqliteQuota(tmp_path / "quota.sqlite", bytes(32), 86_400),
        expiration=POLICY,
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            async with session.get(WELL_KNOWN) as response:
                (listed,) = IssuerDirectory.from_json(await response.read()).token_keys
            key = partially_blind_rsa.load_public_key(listed.public_key)
            wanted = POLICY.choose(time.time())
            request, pending = partially_blind_rsa.request(CHALLENGE.encode(), key, wanted)
            async with session.post(PATH, data=request.encode(), headers=alice) as response:
                assert response.status == 200
                answer = partially_blind_rsa.TokenResponse.decode(await response.read())
            token = partially_blind_rsa.finalize(pending, answer)
            partially_blind_rsa.verify(token, key, CHALLENGE.digest(), wanted)
            mark = Extensions((*wanted.extensions, Extension(0xFFFF, b"a mark to know a client by")))
            for extensions, status in ((mark, 400), (Extensions((Extension(2, bytes(64)),)), 413)):
                request, _ = partially_blind_rsa.request(CHALLENGE.encode(), key, extensions)
                body = request.encode() + (bytes(26_000) if status == 413 else b"")
                async with session.post(PATH, data=body, headers=alice) as response:
                    assert response.status == status
        assert charged(tmp_path) == [1]
    finally:
        await runner.cleanup()


def test_its_keys_are_files_like_others() -> None:
    kind = KEY_TYPES["partially-blind-rsa"]
    assert kind.token_type == partially_blind_rsa.TOKEN_TYPE
    loaded = kind.load(partially_blind.private_key().to_pem())
    assert loaded.public_key == partially_blind.signer().public_key


def test_a_new_one_is_of_safe_primes() -> None:
    kind = KEY_TYPES["partially-blind-rsa"]
    assert isinstance(kind.load(kind.generate()), type(partially_blind.signer()))
