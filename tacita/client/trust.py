"""Which keys are everybody's keys.

A key that only one person is shown marks that person. So each document is fetched from
the relay's mirror and from a second one that another operator runs, and both must have
the same bytes; the gateway and the issuer are never asked from the client's own address
(`Endpoints` refuses them as mirrors).
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Self

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
from tacita.privacypass.types import arc_codepoints, blind_rsa
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.wire import base64url
from tacita.wire.authparams import MAX_CHALLENGES

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
    """What two mirrors agree on: key configuration, challenge, and issuer directory.

    `endpoints` is where it came from; without it there is no asking again.
    """

    key_config: KeyConfig
    challenge: TokenChallenge
    issuer: IssuerDirectory
    endpoints: Endpoints | None = field(default=None, repr=False, compare=False)

    def issuing_key(self, now: float) -> blind_rsa.PublicKey:
        """Return the key to get tokens under at UNIX time `now`. Raises `NoUsableKey` or `KeyMalformed`."""
        return blind_rsa.load_public_key(self.issuer.current_key(blind_rsa.TOKEN_TYPE, now).public_key)

    def challenge_for(self, token_type: int) -> TokenChallenge:
        """Return the published challenge with another token type: the same for everybody, as it is itself."""
        return replace(self.challenge, token_type=token_type)

    def credential_challenge(self) -> CredentialChallenge:
        """Return the published challenge as it is for type 0xE5AC, with no context of either kind."""
        return CredentialChallenge(self.challenge_for(arc_codepoints.TOKEN_TYPE))

    def key_ids(self, token_type: int) -> frozenset[bytes]:
        """Return the ids of all published keys of `token_type`, by which tokens name them.

        Of every type here the id is the SHA-256 of the published bytes (RFC 9578, Sections 5.5 and 6.5).
        """
        return frozenset(
            hashlib.sha256(key.public_key).digest()
            for key in self.issuer.token_keys
            if key.token_type == token_type
        )

    async def again(self) -> Self:
        """Fetch everything anew from where this came from.

        Raises as `fetch`, and `ValueError` where that is not known.
        """
        if self.endpoints is None:
            raise ValueError("this trust was not fetched")
        return await type(self).fetch(self.endpoints)

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
    async def fetch(cls, endpoints: Endpoints, *, tries: int = 3) -> Self:
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
        listed = IssuerDirectory.from_json(issuer.body)
        # An issuer's name is the host that its directory has for requests.
        issuer_name = listed.issuer_request_uri.partition("://")[2].partition("/")[0]
        trust = cls(
            keyconfig.select(keyconfig.decode_list(keys.body)),
            read_challenge(challenge.body, issuer_name),
            listed,
            endpoints,
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


def read_challenge(body: bytes, issuer_name: str = "") -> TokenChallenge:
    """Return the challenge inside the gateway's challenge document that asks for our kind of token.

    Where there are several it is the one that names `issuer_name`, whose tokens we get.

    Raises:
        ChallengeDocumentMalformed: it is not such a document.
        ChallengeUnsuitable: all want another token type, or are bound to a context; or several are
            of other issuers.
        DecodeError: a challenge inside is not one.
    """
    suitable = [
        challenge
        for encoded in _encoded_challenges(body)
        if int.from_bytes(encoded[:2], "big") == blind_rsa.TOKEN_TYPE
        and not (challenge := TokenChallenge.decode(encoded)).redemption_context
    ]
    if not suitable:
        raise ChallengeUnsuitable("The gateway's challenge is not for tokens of type 2 without a context.")
    if len(suitable) == 1:
        return suitable[0]
    for challenge in suitable:
        if challenge.issuer_name == issuer_name:
            return challenge
    raise ChallengeUnsuitable("The gateway takes tokens of several issuers, but not of ours.")


def _encoded_challenges(body: bytes) -> list[bytes]:
    try:
        document: Any = json.loads(body)
        listed = document.get("challenges", [document])
        texts = [entry["challenge"] for entry in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ChallengeDocumentMalformed("The gateway's challenge document cannot be read.") from None
    if not 0 < len(texts) <= MAX_CHALLENGES or not all(isinstance(text, str) for text in texts):
        raise ChallengeDocumentMalformed("The gateway's challenge document holds no challenges.")
    return [base64url.decode(text) for text in texts]
