"""What tests of the issuer share: blinded requests, and a configuration in a folder of its own."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from support import rsa

from issuer.accounts import AccountsFile
from issuer.attesters.api_key import digest_of, new_api_key
from issuer.key_folder import KeyFolder
from issuer.key_types import types_named
from issuer.keys import IssuerKeys
from tacita.crypto.keyring import Schedule
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import best_signer
from tacita.privacypass import batch
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.issuing import REQUEST_MEDIA_TYPE, IssuingKey, IssuingKeys
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = [
    "CHALLENGE",
    "Asked",
    "add_account",
    "ask_batch",
    "ask_one",
    "charged",
    "config_text",
    "issuing_keys",
    "made_key",
]

WEEK = 7 * 86_400
CHALLENGE = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", ("gateway.example",))


class Asked:
    """A request as it goes to the issuer, and how to read what comes back."""

    def __init__(self, key: blind_rsa.PublicKey, count: int, *, batched: bool) -> None:
        drawn = [blind_rsa.request(CHALLENGE.encode(), key) for _ in range(count)]
        self._key = key
        self._pending = [pending for _, pending in drawn]
        encoded = tuple(request.encode() for request, _ in drawn)
        self._batched = batched
        self.media_type = batch.REQUEST_MEDIA_TYPE if batched else REQUEST_MEDIA_TYPE
        self.body = GenericBatchTokenRequest(encoded).encode() if batched else encoded[0]

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.media_type}

    def tokens(self, body: bytes) -> list[Token]:
        """Finalize and verify every token in the answer `body`."""
        tokens = []
        for pending, answer in zip(self._pending, self._answers(body), strict=True):
            token = blind_rsa.finalize(pending, blind_rsa.TokenResponse.decode(answer))
            tokens.append(blind_rsa.verify(token, self._key, CHALLENGE.digest()))
        return tokens

    def _answers(self, body: bytes) -> Iterable[bytes]:
        if not self._batched:
            return [body]
        answers = GenericBatchTokenResponse.decode(body, limit=len(self._pending)).token_responses
        return [answer.token_response for answer in answers if answer is not None]


def ask_one(key: blind_rsa.PublicKey | None = None) -> Asked:
    """Return a request for one token."""
    return Asked(key or rsa.private_key(0).public_key, 1, batched=False)


def ask_batch(count: int, key: blind_rsa.PublicKey | None = None) -> Asked:
    """Return a generic batch for `count` tokens."""
    return Asked(key or rsa.private_key(0).public_key, count, batched=True)


def issuing_keys(number: int = 0) -> IssuingKeys:
    """Return the keys of an issuer whose one key is `rsa.private_key(number)`."""
    return IssuingKeys([IssuingKey(best_signer(rsa.private_key(number)), 1_700_006_400, may_issue=True)])


def made_key(folder: Path, period: int = WEEK) -> RsaPublicKey:
    """Make the keys of an issuer in `folder`, where there are none; return the one that issues now."""
    keys = IssuerKeys(KeyFolder(folder), types_named(["blind-rsa"]), Schedule(period), prepare=False)
    keys.turn()
    (key,) = (key for key in keys.present().issuing if key.may_issue)
    return RsaPublicKey(key.public_key)


def config_text(
    *, port: int = 0, admin_port: int = 0, quota: int = 1000, more: str = "", key_period: int = WEEK
) -> str:
    """Return the configuration of an issuer that keeps its files beside it; `more` are further lines."""
    return f"""
        public_url = "https://issuer.example"
        attester = {{ kind = "api-key", accounts = "accounts.json" }}
        {more}
        listen = {{ port = {port} }}
        admin = {{ port = {admin_port} }}
        keys = {{ folder = "keys", create_key = true, period_seconds = {key_period} }}
        quota = {{ database = "quota.sqlite", hash_key = "quota.key", period_seconds = 2592000 }}
        tiers = {{ standard = {quota} }}
        """


def add_account(folder: Path, name: str) -> dict[str, str]:
    """Add an account of the issuer in `folder`; return the header fields that it sends."""
    api_key = new_api_key()
    AccountsFile(folder / "accounts.json").add(name, "standard", digest_of(api_key), created="2026-01-01")
    return {"Authorization": f"Bearer {api_key}"}


def charged(folder: Path) -> list[int]:
    """Return what each account was charged, read straight from the database of the issuer in `folder`."""
    db = sqlite3.connect(folder / "quota.sqlite")
    try:
        return [tokens for (tokens,) in db.execute("SELECT tokens FROM charged")]
    finally:
        db.close()
