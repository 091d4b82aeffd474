"""Which keys are everybody's keys.

A key that only one person is shown marks that person. So each document is fetched from
the relay's mirror and from a second one that another operator runs, and both must have
the same bytes; the gateway and the issuer are never asked from the client's own address
(`Endpoints` refuses them as mirrors).
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tacita.client.endpoints import Endpoints, MirrorEndpoints
from tacita.client.errors import SourcesDisagree, speaking_of
from tacita.errors import DecodeError
from tacita.net import documents
from tacita.net.documents import Document
from tacita.net.urls import split
from tacita.ohttp import KeyConfig, keyconfig, media
from tacita.privacypass import directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.types import blind_rsa
from tacita.wire import base64url

__all__ = ["ChallengeDocumentMalformed", "ChallengeUnsuitable", "Trust", "read_challenge"]

_SECONDS_BETWEEN_TRIES = 0.5


class ChallengeDocumentMalformed(DecodeError):
    """The gateway's challenge document is not one."""

    clause = "RFC 9577, Section 2.1"


class ChallengeUnsuitable(DecodeError):
    """The challenge is not for tokens that can be fetched ahead and do not single anybody out."""

    clause = "RFC 9577, Section 2.1.1"


@dataclass(frozen=True, slots=True)
class Trust:
    """What two mirrors agree on: key configuration, challenge, and issuer directory."""

    key_config: KeyConfig
    challenge: TokenChallenge
    issuer: IssuerDirectory

    def issuing_key(self, now: float) -> blind_rsa.PublicKey:
        """Return the key to get tokens under at UNIX time `now`. Raises `NoUsableKey` or `KeyMalformed`."""
        return blind_rsa.load_public_key(self.issuer.current_key(blind_rsa.TOKEN_TYPE, now).public_key)

    def token_key_ids(self) -> frozenset[bytes]:
        """Return the ids of all published keys: tokens under any other would single their holder out.

        Raises:
            KeyMalformed, ForeignToken: the directory lists something that is no key of its type.
        """
        return frozenset(
            blind_rsa.load_public_key(key.public_key).key_id
            for key in self.issuer.token_keys
            if key.token_type == blind_rsa.TOKEN_TYPE
        )

    @classmethod
    async def fetch(cls, endpoints: Endpoints, *, tries: int = 3) -> "Trust":
        """Fetch everything from both mirrors and compare.

        Mirrors refresh at their own times, so that two honest ones can differ for a moment around a
        change: after a disagreement both are asked again, `tries` times in all.

        Raises:
            SourcesDisagree: they still differ.
            OriginNotListed, ChallengeUnsuitable: the challenge is not one for the target.
            DecodeError: they agree on something that is not what it should be.
            UpstreamError, DocumentRefused, DocumentTooLong: a mirror cannot be asked.
        """
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            first, second = await asyncio.gather(
                _fetch(endpoints.relay, "the relay"), _fetch(endpoints.mirror, "the second mirror")
            )
            if [one.body for one in first] == [one.body for one in second]:
                break
        else:
            raise SourcesDisagree(
                "The relay and the second mirror show different keys; use neither, and tell both operators."
            )
        keys, challenge, issuer = first
        trust = cls(
            keyconfig.select(keyconfig.decode_list(keys.body)),
            read_challenge(challenge.body),
            IssuerDirectory.from_json(issuer.body),
        )
        trust.challenge.require_origin(split(endpoints.target.url)[0].partition("://")[2])
        return trust


async def _fetch(mirror: MirrorEndpoints, who: str) -> tuple[Document, Document, Document]:
    with speaking_of(who):
        return await asyncio.gather(
            documents.fetch(mirror.gateway_keys, media.KEYS),
            documents.fetch(mirror.challenge, "application/json"),
            documents.fetch(mirror.issuer_directory, directory.MEDIA_TYPE),
        )


def read_challenge(body: bytes) -> TokenChallenge:
    """Return the challenge inside the gateway's challenge document.

    Raises:
        ChallengeDocumentMalformed: it is not such a document.
        ChallengeUnsuitable: it wants another token type, or is bound to a context.
        DecodeError: the challenge inside is not one.
    """
    try:
        document: Any = json.loads(body)
        encoded = document["challenge"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ChallengeDocumentMalformed("The gateway's challenge document cannot be read.") from None
    if not isinstance(encoded, str):
        raise ChallengeDocumentMalformed("The gateway's challenge document holds no challenge.")
    challenge = TokenChallenge.decode(base64url.decode(encoded))
    if challenge.token_type != blind_rsa.TOKEN_TYPE or challenge.redemption_context:
        raise ChallengeUnsuitable("The gateway's challenge is not for tokens of type 2 without a context.")
    return challenge
