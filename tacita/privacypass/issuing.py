"""The pure core of an issuer: bytes of a request in, bytes of an answer out.

    requests = parse(media_type, body, keys, max_batch=100)
    ... charge requests.count tokens, durably ...
    responses = issue(requests, keys)

Whoever embeds an issuer in a service of their own needs this module and a way to charge.
`parse` settles everything that can be refused without signing, so nobody is charged for
a request that could not have been granted. Follows RFC 9578, Sections 5.2 and 6.2, and
draft-ietf-privacypass-batched-tokens-09, Sections 5.2 and 6.2.

The statuses, by media type:

    single      200; 422 for a request that cannot be read, or a key that does not issue
    amortized   200; 422 for any of its elements or its key, and for too many tokens or none
    generic     200, or 206 where some requests, but not all, were granted; 400 where none was;
                422 where it cannot be read, has a type that nobody knows, or asks for too much
    other       415

The draft has 422 in one place (Section 6.2) and 415 in another (6.1) for a wrong media type; 415
is what HTTP says. The issuer of privacypass-ts leaves statuses to whoever embeds it, and answers a
generic batch of which it grants nothing with responses that are all absent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tacita.crypto.signer import Signer
from tacita.privacypass import amortized, batch
from tacita.privacypass.amortized import AmortizedBatchTokenRequest
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse, GenericTokenResponse
from tacita.privacypass.errors import (
    KeysCollide,
    NothingIssued,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.token import MESSAGE_LENGTHS
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.voprf import PrivateKey

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

# Modules of token types have the same names, so that one way leads through all of them.
_MODULES: Mapping[int, Any] = {
    module.TOKEN_TYPE: module for module in (voprf_p384, blind_rsa, voprf_ristretto255)
}


@dataclass(frozen=True, slots=True)
class IssuingKey:
    """A key of the issuer: what signs for token type 0x0002, or the private key of a type on VOPRF.

    `not_before` is the UNIX time from which clients use it; `may_issue` is false before that, and
    again once the key is only good for redeeming.
    """

    signer: Signer | PrivateKey = field(repr=False)
    not_before: int
    may_issue: bool

    @property
    def token_type(self) -> int:
        """The type of the tokens that are issued under this key."""
        return self.signer.token_type if isinstance(self.signer, PrivateKey) else blind_rsa.TOKEN_TYPE

    @property
    def public_key(self) -> bytes:
        """The key as the directory publishes it: SubjectPublicKeyInfo (original bytes), or an element."""
        if isinstance(self.signer, PrivateKey):
            return self.signer.public_key.encoding
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


class _Form(Enum):
    SINGLE = REQUEST_MEDIA_TYPE
    GENERIC = batch.REQUEST_MEDIA_TYPE
    AMORTIZED = amortized.REQUEST_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request that can be granted: for which type, key and number of tokens, and as its type reads it."""

    token_type: int
    key_id: bytes
    tokens: int
    request: Any


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """What a body asked for: one request or a batch, with None for each request that cannot be granted.

    An amortized batch is one request for several tokens.
    """

    form: _Form
    wanted: tuple[_Wanted | None, ...] = field(repr=False)

    @property
    def batched(self) -> bool:
        """Whether the body was a batch of either kind."""
        return self.form is not _Form.SINGLE

    @property
    def count(self) -> int:
        """How many tokens will be issued: what to charge. At least 1."""
        return sum(one.tokens for one in self.wanted if one is not None)


@dataclass(frozen=True, slots=True)
class TokenResponses:
    """The answer: HTTP status (200 all, 206 some of a batch), media type and body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


def parse(media_type: str, body: bytes, keys: IssuingKeys, *, max_batch: int) -> TokenRequests:
    """Read a request body of at most `max_batch` tokens. Parameters of `media_type` do not matter.

    Elements of a curve are decoded here, which takes about 50 microseconds each for type 0x0001.

    Raises:
        UnsupportedMediaType: (415) neither a token request nor a batch of them.
        RequestMalformed, BatchMalformed, BatchTooLarge: (422) the body cannot be read, or asks for too much.
        UnknownTokenKey: (422) a single request, or an amortized batch, is for a key that does not issue.
        NothingIssued: (400) no request of a generic batch can be granted.
    """
    try:
        form = _Form(media_type.partition(";")[0].strip().lower())
    except ValueError:
        raise UnsupportedMediaType("The media type is neither a token request nor a batch of them.") from None
    match form:
        case _Form.SINGLE:
            return TokenRequests(form, (_read(body, keys),))
        case _Form.GENERIC:
            requests = GenericBatchTokenRequest.decode(body, limit=max_batch).token_requests
            found = TokenRequests(form, tuple(_read_or_none(one, keys) for one in requests))
            if not found.count:
                raise NothingIssued("No request of the batch can be granted; fetch the directory again.")
            return found
        case _Form.AMORTIZED:
            whole = AmortizedBatchTokenRequest.decode(body, limit=max_batch)
            key = keys.issuing(whole.token_type, whole.truncated_token_key_id)
            return TokenRequests(
                form, (_Wanted(key.token_type, key.key_id, len(whole.blinded_elements), whole),)
            )


def issue(requests: TokenRequests, keys: IssuingKeys) -> TokenResponses:
    """Sign what `parse` found. All signatures are made before any is returned, and those by RSA checked.

    `keys` may be newer than those of `parse`: a request whose key has stopped issuing in between
    counts as not granted.

    Raises:
        SigningFailed, ArithmeticFailed: (500) nothing may leave; give the charge back.
        UnknownTokenKey, NothingIssued: (422, 400) all keys have stopped issuing; give the charge back.
    """
    granted = _sign(requests, keys)
    if requests.form is not _Form.GENERIC:
        if granted[0] is None:
            raise UnknownTokenKey("The key of the request has stopped issuing; fetch the directory again.")
        media_type = RESPONSE_MEDIA_TYPE if requests.form is _Form.SINGLE else amortized.RESPONSE_MEDIA_TYPE
        return TokenResponses(200, media_type, granted[0])
    if all(one is None for one in granted):
        raise NothingIssued("The keys of the batch have stopped issuing; fetch the directory again.")
    body = GenericBatchTokenResponse(
        tuple(
            None if one is None or answer is None else GenericTokenResponse(one.token_type, answer)
            for one, answer in zip(requests.wanted, granted, strict=True)
        )
    ).encode()
    return TokenResponses(206 if None in granted else 200, batch.RESPONSE_MEDIA_TYPE, body)


def _read(data: bytes, keys: IssuingKeys) -> _Wanted:
    token_type = int.from_bytes(data[:2], "big")
    lengths = MESSAGE_LENGTHS.get(token_type)
    if lengths is None or len(data) != lengths[0]:
        raise RequestMalformed(
            "A token request is of no type that is known here, or not as long as its type."
        )
    key = keys.issuing(token_type, data[2])
    module = _MODULES[token_type]
    request = module.TokenRequest.decode(data)
    return _Wanted(token_type, key.key_id, 1, module.require_fit(request, key.signer.public_key))


def _read_or_none(data: bytes, keys: IssuingKeys) -> _Wanted | None:
    try:
        return _read(data, keys)
    except (RequestMalformed, UnknownTokenKey):
        return None


def _sign(requests: TokenRequests, keys: IssuingKeys) -> list[bytes | None]:
    """Return the answers in the order of the requests; each key signs all of its own at once."""
    responses: list[bytes | None] = [None] * len(requests.wanted)
    issue_all = _issue_amortized if requests.form is _Form.AMORTIZED else _issue_each
    for key in keys:
        mine = {
            place: one.request
            for place, one in enumerate(requests.wanted)
            if one is not None and one.key_id == key.key_id and key.may_issue
        }
        if mine:
            for place, response in zip(mine, issue_all(list(mine.values()), key), strict=True):
                responses[place] = response
    return responses


def _issue_each(requests: list[Any], key: IssuingKey) -> list[bytes]:
    return [one.encode() for one in _MODULES[key.token_type].issue(requests, key.signer)]


def _issue_amortized(requests: list[Any], key: IssuingKey) -> list[bytes]:
    assert isinstance(key.signer, PrivateKey), "a batch is read for the types on VOPRF only"
    return [amortized.issue(one, key.signer).encode() for one in requests]
