"""Which keys are everybody's keys.

A key that only one person is shown marks that person. So each document is fetched from
the relay's mirror and from a second one that another operator runs, and both must have
the same bytes; the gateway and the issuer are never asked from the client's own address.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tacita.client.endpoints import Endpoints, MirrorEndpoints
from tacita.client.errors import SourcesDisagree
from tacita.errors import DecodeError
from tacita.net import documents
from tacita.net.documents import Document
from tacita.ohttp import KeyConfig, keyconfig, media
from tacita.privacypass import directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.types import blind_rsa
from tacita.wire import base64url

__all__ = ["ChallengeDocumentMalformed", "Trust", "read_challenge"]

_SECONDS_BETWEEN_TRIES = 0.5


class ChallengeDocumentMalformed(DecodeError):
    """The gateway's challenge document is not one."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What two mirrors agree on: key configuration, challenge, and issuer directory."""

    key_config: KeyConfig
    challenge: TokenChallenge
    issuer: IssuerDirectory

    def issuing_key(self, now: float) -> blind_rsa.PublicKey:
        """Return the key to get tokens under at UNIX time `now`. Raises `NoUsableKey` or `KeyMalformed`."""
        return blind_rsa.load_public_key(self.issuer.current_key(blind_rsa.TOKEN_TYPE, now).public_key)

    @classmethod
    async def fetch(cls, endpoints: Endpoints, *, tries: int = 3) -> "Trust":
        """Fetch everything from both mirrors and compare.

        Mirrors refresh at their own times, so that two honest ones can differ for a moment around a
        change: after a disagreement both are asked again, `tries` times in all.

        Raises:
            SourcesDisagree: they still differ.
            DecodeError: they agree on something that is not what it should be.
            UpstreamError, DocumentRefused: a mirror cannot be asked.
        """
        for attempt in range(tries):
            first, second = await asyncio.gather(_fetch(endpoints.relay), _fetch(endpoints.mirror))
            if [one.body for one in first] == [one.body for one in second]:
                break
            if attempt + 1 < tries:
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            raise SourcesDisagree(
                "The relay and the second mirror show different keys; use neither, and tell both operators."
            )
        keys, challenge, issuer = first
        return cls(
            keyconfig.select(keyconfig.decode_list(keys.body)),
            read_challenge(challenge.body),
            IssuerDirectory.from_json(issuer.body),
        )


async def _fetch(mirror: MirrorEndpoints) -> tuple[Document, Document, Document]:
    return await asyncio.gather(
        documents.fetch(mirror.gateway_keys, media.KEYS),
        documents.fetch(mirror.challenge, "application/json"),
        documents.fetch(mirror.issuer_directory, directory.MEDIA_TYPE),
    )


def read_challenge(body: bytes) -> TokenChallenge:
    """Return the challenge inside the gateway's challenge document.

    Raises:
        ChallengeDocumentMalformed: it is not such a document.
        DecodeError: the challenge inside is not one.
    """
    try:
        document: Any = json.loads(body)
        encoded = document["challenge"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ChallengeDocumentMalformed("The gateway's challenge document cannot be read.") from None
    if not isinstance(encoded, str):
        raise ChallengeDocumentMalformed("The gateway's challenge document holds no challenge.")
    return TokenChallenge.decode(base64url.decode(encoded))
