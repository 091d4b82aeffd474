"""The pure core of an issuer: bytes of a request in, bytes of an answer out.

    requests = parse(media_type, body, keys, max_batch=100)
    ... charge requests.count tokens, durably ...
    responses = issue(requests, keys)

Whoever embeds an issuer in a service of their own needs this module and a way to charge.
`parse` settles everything that can be refused without signing, so nobody is charged for
a request that could not have been granted. Follows RFC 9578, Section 6.2, and
draft-ietf-privacypass-batched-tokens-09, Section 6.2.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tacita.crypto.signer import Signer
from tacita.privacypass import batch
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse, GenericTokenResponse
from tacita.privacypass.errors import (
    KeysCollide,
    NothingIssued,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.types import blind_rsa

__all__ = [
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "IssuingKey",
    "IssuingKeys",
    "TokenRequests",
    "TokenResponses",
    "issue",
    "parse",
]

REQUEST_MEDIA_TYPE = "application/private-token-request"
RESPONSE_MEDIA_TYPE = "application/private-token-response"


@dataclass(frozen=True, slots=True)
class IssuingKey:
    """A key of the issuer, of token type 0x0002.

    `not_before` is the UNIX time from which clients use it; `may_issue` is false before that, and
    again once the key is only good for redeeming.
    """

    signer: Signer = field(repr=False)
    not_before: int
    may_issue: bool

    @property
    def token_type(self) -> int:
        """The type of the tokens that are issued under this key."""
        return blind_rsa.TOKEN_TYPE

    @property
    def public_key(self) -> bytes:
        """The key as the directory publishes it (SubjectPublicKeyInfo, original bytes)."""
        return self.signer.public_key.spki

    @property
    def key_id(self) -> bytes:
        """The 32-byte `token_key_id`."""
        return self.signer.public_key.key_id

    @property
    def truncated_key_id(self) -> int:
        """The byte by which token requests name the key."""
        return self.key_id[-1]


class IssuingKeys:
    """The live keys of an issuer, in the order of its directory. Immutable: turn over by making another."""

    def __init__(self, keys: Iterable[IssuingKey]) -> None:
        """Take `keys`.

        Raises:
            KeysCollide: two of them share their truncated id.
        """
        self._keys = tuple(keys)
        self._by_truncated_id = {key.truncated_key_id: key for key in self._keys}
        if len(self._by_truncated_id) != len(self._keys):
            raise KeysCollide("Two live issuer keys share a truncated key id; make the new one again.")

    def __iter__(self) -> Iterator[IssuingKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def issuing(self, token_type: int, truncated_key_id: int) -> IssuingKey:
        """Return the key that a token request names.

        Raises:
            UnknownTokenKey: there is none, or it may not issue now.
        """
        key = self._by_truncated_id.get(truncated_key_id)
        if key is None or key.token_type != token_type or not key.may_issue:
            raise UnknownTokenKey("No key that issues now has this type and id; fetch the directory again.")
        return key


@dataclass(frozen=True, slots=True)
class _Wanted:
    key_id: bytes
    request: blind_rsa.TokenRequest


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """What a body asked for: one request or a batch, with None for each request that cannot be granted."""

    batched: bool
    wanted: tuple[_Wanted | None, ...] = field(repr=False)

    @property
    def count(self) -> int:
        """How many tokens will be issued: what to charge. At least 1."""
        return sum(one is not None for one in self.wanted)


@dataclass(frozen=True, slots=True)
class TokenResponses:
    """The answer: HTTP status (200 all, 206 some of a batch), media type and body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


def parse(media_type: str, body: bytes, keys: IssuingKeys, *, max_batch: int) -> TokenRequests:
    """Read a request body of at most `max_batch` tokens. Parameters of `media_type` do not matter.

    Raises:
        UnsupportedMediaType: (415) neither a token request nor a generic batch.
        RequestMalformed, BatchMalformed, BatchTooLarge: (422) the body cannot be read, or asks for too much.
        UnknownTokenKey: (422) a single request is for a key that does not issue.
        NothingIssued: (400) no request of a batch can be granted.
    """
    match media_type.partition(";")[0].strip().lower():
        case "application/private-token-request":
            return TokenRequests(False, (_read(body, keys),))
        case batch.REQUEST_MEDIA_TYPE:
            requests = GenericBatchTokenRequest.decode(body, limit=max_batch).token_requests
            found = TokenRequests(True, tuple(_read_or_none(one, keys) for one in requests))
            if not found.count:
                raise NothingIssued("No request of the batch can be granted; fetch the directory again.")
            return found
        case _:
            raise UnsupportedMediaType(
                "The media type is neither a token request nor a generic batch of them."
            )


def issue(requests: TokenRequests, keys: IssuingKeys) -> TokenResponses:
    """Sign what `parse` found. All signatures are made and checked before any is returned.

    `keys` may be newer than those of `parse`: a request whose key has stopped issuing in between
    counts as not granted.

    Raises:
        SigningFailed: (500) nothing may leave; give the charge back.
        UnknownTokenKey, NothingIssued: (422, 400) all keys have stopped issuing; give the charge back.
    """
    granted = _sign(requests, keys)
    if not requests.batched:
        if granted[0] is None:
            raise UnknownTokenKey("The key of the request has stopped issuing; fetch the directory again.")
        return TokenResponses(200, RESPONSE_MEDIA_TYPE, granted[0].encode())
    if all(one is None for one in granted):
        raise NothingIssued("The keys of the batch have stopped issuing; fetch the directory again.")
    body = GenericBatchTokenResponse(
        tuple(
            None if one is None else GenericTokenResponse(blind_rsa.TOKEN_TYPE, one.encode())
            for one in granted
        )
    ).encode()
    return TokenResponses(206 if None in granted else 200, batch.RESPONSE_MEDIA_TYPE, body)


def _read(data: bytes, keys: IssuingKeys) -> _Wanted:
    request = blind_rsa.TokenRequest.decode(data)
    key = keys.issuing(blind_rsa.TOKEN_TYPE, request.truncated_token_key_id)
    return _Wanted(key.key_id, blind_rsa.require_fit(request, key.signer.public_key))


def _read_or_none(data: bytes, keys: IssuingKeys) -> _Wanted | None:
    try:
        return _read(data, keys)
    except (RequestMalformed, UnknownTokenKey):
        return None


def _sign(requests: TokenRequests, keys: IssuingKeys) -> list[blind_rsa.TokenResponse | None]:
    """Return the answers in the order of the requests; each key signs all of its own at once."""
    responses: list[blind_rsa.TokenResponse | None] = [None] * len(requests.wanted)
    for key in keys:
        mine = {
            place: one.request
            for place, one in enumerate(requests.wanted)
            if one is not None and one.key_id == key.key_id and key.may_issue
        }
        if mine:
            for place, response in zip(mine, blind_rsa.issue(list(mine.values()), key.signer), strict=True):
                responses[place] = response
    return responses
