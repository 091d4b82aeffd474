"""The pure core of an issuer: bytes of a request in, bytes of an answer out.

    requests = parse(media_type, body, keys, max_batch=100)
    ... charge requests.count tokens, durably ...
    responses = issue(requests, keys)

Whoever embeds an issuer in a service of their own needs this module and a way to charge.
`parse` settles everything that can be refused without signing, so nobody is charged for
a request that could not have been granted. `issue_all` signs for several callers at a time,
for whoever has an engine with lanes to fill. Follows RFC 9578, Sections 5.2 and 6.2, and
draft-ietf-privacypass-batched-tokens-09, Sections 5.2 and 6.2.

The statuses, by media type:

    single      200; 422 for a request that cannot be read, or a key that does not issue;
                400 for extensions that the issuer does not sign
    amortized   200; 422 for any of its elements or its key, and for too many tokens or none
    generic     200, or 206 where some requests, but not all, were granted; 400 where none was;
                422 where it cannot be read, has a type that nobody knows, or asks for too much
    credential  200; 422 for a request that cannot be read, whose proof does not hold, or a key
                that does not issue; 415 from an issuer that gives no credentials
    other       415

The draft has 422 in one place (Section 6.2) and 415 in another (6.1) for a wrong media type; 415
is what HTTP says. The issuer of privacypass-ts leaves statuses to whoever embeds it, and answers a
generic batch of which it grants nothing with responses that are all absent.

Type 0xDA7A comes alone, never in a batch. The batch draft tells the elements of a generic batch
apart by the length of their type's TokenRequest; the request of 0xDA7A is an ExtendedTokenRequest,
which has no such length, and neither draft says how it would stand there. So a batch that holds
one is unreadable (422), here as for everybody who knows no better. Its extensions are public and split the
clients; `ExpirationPolicy` says which ones are signed at all.

Type 0xE5AC (experimental) is asked for under a media type of its own, one credential at a time; no
draft puts it into a batch, and under the other media types it is a type that nobody knows. A credential
counts as the presentations that it is good for.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from tacita.crypto.partially_blind_keys import PartiallyBlindSigner
from tacita.crypto.signer import Signer, SignerUnreachable
from tacita.errors import TacitaError
from tacita.privacypass import amortized, batch
from tacita.privacypass.amortized import AmortizedBatchTokenRequest
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse, GenericTokenResponse
from tacita.privacypass.errors import (
    ExtensionsRefused,
    KeysCollide,
    NothingIssued,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.types import arc, blind_rsa, partially_blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.voprf import PrivateKey

__all__ = [
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "Clock",
    "IssuingKey",
    "IssuingKeys",
    "TokenRequests",
    "TokenResponses",
    "issue",
    "issue_all",
    "parse",
]

REQUEST_MEDIA_TYPE = "application/private-token-request"
RESPONSE_MEDIA_TYPE = "application/private-token-response"

Clock: TypeAlias = Callable[[], float]
"""Returns UNIX seconds, like `time.time`."""

# Modules of token types have the same names, so that one way leads through all of them.
_MODULES: Mapping[int, Any] = {
    module.TOKEN_TYPE: module
    for module in (voprf_p384, blind_rsa, voprf_ristretto255, partially_blind_rsa, arc)
}


@dataclass(frozen=True, slots=True)
class IssuingKey:
    """A key of the issuer: what signs for token type 0x0002 or 0xDA7A, or a private key of another type.

    `not_before` is the UNIX time from which clients use it; `may_issue` is false before that, and
    again once the key is only good for redeeming.
    """

    signer: Signer | PartiallyBlindSigner | PrivateKey | arc.PrivateKey = field(repr=False)
    not_before: int
    may_issue: bool

    @property
    def token_type(self) -> int:
        """The type of the tokens that are issued under this key."""
        if isinstance(self.signer, PrivateKey):
            return self.signer.token_type
        if isinstance(self.signer, PartiallyBlindSigner):
            return partially_blind_rsa.TOKEN_TYPE
        if isinstance(self.signer, arc.PrivateKey):
            return arc.TOKEN_TYPE
        return blind_rsa.TOKEN_TYPE

    @property
    def public_key(self) -> bytes:
        """The key as the directory publishes it: SubjectPublicKeyInfo (original bytes), or elements."""
        if isinstance(self.signer, PrivateKey | arc.PrivateKey):
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
        self._by_truncated_id = {key.truncated_key_id: (key.token_type, key) for key in self._keys}
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
        found = self._by_truncated_id.get(truncated_key_id)
        if found is None or found[0] != token_type or not found[1].may_issue:
            raise UnknownTokenKey("No key that issues now has this type and id; fetch the directory again.")
        return found[1]


class _Form(Enum):
    SINGLE = REQUEST_MEDIA_TYPE
    GENERIC = batch.REQUEST_MEDIA_TYPE
    AMORTIZED = amortized.REQUEST_MEDIA_TYPE
    CREDENTIAL = arc.REQUEST_MEDIA_TYPE


_RESPONSE_MEDIA_TYPES = {
    _Form.SINGLE: RESPONSE_MEDIA_TYPE,
    _Form.GENERIC: batch.RESPONSE_MEDIA_TYPE,
    _Form.AMORTIZED: amortized.RESPONSE_MEDIA_TYPE,
    _Form.CREDENTIAL: arc.RESPONSE_MEDIA_TYPE,
}


class _Wanted(NamedTuple):
    """A request that can be granted: for which type, key and number of tokens, and as its type reads it.

    There are a hundred to a batch, so it is of the kind that is made fastest.
    """

    token_type: int
    key_id: bytes
    tokens: int
    request: Any


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """What a body asked for: one request or a batch, with None for each request that cannot be granted.

    An amortized batch is one request for several tokens, and so is one for a credential.
    """

    form: _Form
    wanted: tuple[_Wanted | None, ...] = field(repr=False)

    @property
    def batched(self) -> bool:
        """Whether the body was a batch of either kind."""
        return self.form in {_Form.GENERIC, _Form.AMORTIZED}

    @property
    def count(self) -> int:
        """How many tokens, or presentations, will be issued: what to charge. At least 1."""
        return sum(one.tokens for one in self.wanted if one is not None)

    @property
    def signatures(self) -> int:
        """How often a key will be used: what `issue` costs the issuer. As `count`, but 1 for a credential."""
        return 1 if self.form is _Form.CREDENTIAL else self.count


@dataclass(frozen=True, slots=True)
class TokenResponses:
    """The answer: HTTP status (200 all, 206 some of a batch), media type and body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


def parse(
    media_type: str,
    body: bytes,
    keys: IssuingKeys,
    *,
    max_batch: int,
    expiration: ExpirationPolicy | None = None,
    presentation_limit: int | None = None,
    clock: Clock = time.time,
) -> TokenRequests:
    """Read a request body of at most `max_batch` tokens. Parameters of `media_type` do not matter.

    Elements of a curve are decoded here, which takes about 50 microseconds each for type 0x0001.
    `expiration` is what type 0xDA7A may ask for by `clock`; without it that type is not granted. A credential
    of type 0xE5AC counts as `presentation_limit` tokens, the limit of the origins that take it; likewise.

    Raises:
        UnsupportedMediaType: (415) neither a token request nor a batch of them.
        RequestMalformed, BatchMalformed, BatchTooLarge: (422) the body cannot be read, or asks for too much.
        UnknownTokenKey: (422) a single request, or an amortized batch, is for a key that does not issue.
        ExtensionsRefused: (400) a request of type 0xDA7A has other extensions than `expiration` permits.
        NothingIssued: (400) no request of a generic batch can be granted.
    """
    try:
        form = _Form(media_type.partition(";")[0].strip().lower())
    except ValueError:
        raise UnsupportedMediaType("The media type is neither a token request nor a batch of them.") from None
    match form:
        case _Form.CREDENTIAL:
            if presentation_limit is None:
                raise UnsupportedMediaType("This issuer gives no credentials; ask for tokens.")
            return TokenRequests(form, (_read_as(arc, body, keys, presentation_limit),))
        case _Form.SINGLE:
            wanted = _read(body, keys)
            if wanted.token_type == partially_blind_rsa.TOKEN_TYPE:
                _require_permitted(wanted.request, expiration, clock)
            return TokenRequests(form, (wanted,))
        case _Form.GENERIC:
            requests = GenericBatchTokenRequest.decode(body, limit=max_batch).token_requests
            found = TokenRequests(form, tuple(_read_or_none(one, keys) for one in requests))
            if not any(found.wanted):
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
        SignerUnreachable: (503) the device that holds a key does not answer; likewise.
        UnknownTokenKey, NothingIssued: (422, 400) all keys have stopped issuing; likewise.
    """
    (outcome,) = issue_all([requests], keys)
    if isinstance(outcome, TacitaError):
        raise outcome
    return outcome


def issue_all(several: Sequence[TokenRequests], keys: IssuingKeys) -> list[TokenResponses | TacitaError]:
    """Sign what `parse` found in several bodies as if they were one; return for each what `issue` would.

    Each RSA key signs all of its messages in one call, so that lanes are filled across callers. Where
    that call fails, each body is signed alone, and the failure is of those that fail again; a device
    that does not answer is not asked again.
    """
    try:
        granted = _sign(several, keys)
    except SignerUnreachable as error:
        return [error] * len(several)
    except TacitaError as error:
        if len(several) == 1:
            return [error]
        return [outcome for one in several for outcome in issue_all([one], keys)]
    return [_answer(one, answers) for one, answers in zip(several, granted, strict=True)]


def _answer(requests: TokenRequests, granted: list[bytes | None]) -> TokenResponses | TacitaError:
    if requests.form is not _Form.GENERIC:
        if granted[0] is None:
            return UnknownTokenKey("The key of the request has stopped issuing; fetch the directory again.")
        return TokenResponses(200, _RESPONSE_MEDIA_TYPES[requests.form], granted[0])
    if all(one is None for one in granted):
        return NothingIssued("The keys of the batch have stopped issuing; fetch the directory again.")
    body = GenericBatchTokenResponse(
        tuple(
            None if one is None or answer is None else GenericTokenResponse(one.token_type, answer)
            for one, answer in zip(requests.wanted, granted, strict=True)
        )
    ).encode()
    return TokenResponses(206 if None in granted else 200, _RESPONSE_MEDIA_TYPES[requests.form], body)


def _read(data: bytes, keys: IssuingKeys) -> _Wanted:
    token_type = int.from_bytes(data[:2], "big")
    module = _MODULES.get(token_type)
    if module is None or module is arc:
        raise RequestMalformed("A token request is of no type that is known here; see the directory.")
    return _read_as(module, data, keys, 1)


def _read_as(module: Any, data: bytes, keys: IssuingKeys, tokens: int) -> _Wanted:
    request = module.TokenRequest.decode(data)
    key = keys.issuing(module.TOKEN_TYPE, request.truncated_token_key_id)
    fitting = module.require_fit(request, key.signer.public_key)
    return _Wanted(module.TOKEN_TYPE, key.key_id, tokens, fitting)


def _read_or_none(data: bytes, keys: IssuingKeys) -> _Wanted | None:
    try:
        return _read(data, keys)
    except (RequestMalformed, UnknownTokenKey):
        return None


def _require_permitted(
    request: partially_blind_rsa.TokenRequest, expiration: ExpirationPolicy | None, clock: Clock
) -> None:
    if expiration is None:
        raise ExtensionsRefused("This issuer does not give tokens with an expiry; ask for another type.")
    expiration.require_permitted(request.extensions, clock())


def _sign(several: Sequence[TokenRequests], keys: IssuingKeys) -> list[list[bytes | None]]:
    """Return the answers in the order of the requests; each key signs all of its own at once."""
    responses: list[list[bytes | None]] = [[None] * len(each.wanted) for each in several]
    for key in keys:
        if not key.may_issue:
            continue
        mine = [
            (body, place, one.request)
            for body, each in enumerate(several)
            for place, one in enumerate(each.wanted)
            if one is not None and one.key_id == key.key_id and each.form is not _Form.AMORTIZED
        ]
        if mine:
            answers = _MODULES[key.token_type].issue([request for _, _, request in mine], key.signer)
            for (body, place, _), answer in zip(mine, answers, strict=True):
                responses[body][place] = answer.encode()
        for body, each in enumerate(several):
            if each.form is _Form.AMORTIZED and each.wanted[0] and each.wanted[0].key_id == key.key_id:
                assert isinstance(key.signer, PrivateKey), "a batch is read for the types on VOPRF only"
                responses[body][0] = amortized.issue(each.wanted[0].request, key.signer).encode()
    return responses
