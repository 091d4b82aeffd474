"""One request for one token: sealed to the gateway, sent to the relay, answered as it streams.

    async with Session(endpoints, trust, wallet) as session:
        async with session.send(head, content) as answer:
            async for piece in answer.pieces(): ...

What a retry may do. A token is shown again for the identical request only, sealed afresh:
once when the relay says (and nobody can prove) that the key was wrong, and as often as the
gateway gives tokens back when it says, authenticated, that the target failed before it
answered. Anything else spends the token, whatever an unauthenticated answer claims.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Self

from tacita.bhttp import (
    Content,
    End,
    Event,
    Request,
    RequestHead,
    ResponseDecoder,
    ResponseHead,
    encode_request,
)
from tacita.client.endpoints import Endpoints
from tacita.client.errors import AnswerRefused, AnswerTruncated, OuterRefusal
from tacita.client.record import Party, Recorder
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.net.upstream import Upstream, UpstreamError, UpstreamResponse
from tacita.net.urls import split
from tacita.ohttp import media, padding
from tacita.ohttp.chunked import MAX_CHUNK, RequestSealer, ResponseOpener
from tacita.ohttp.errors import ResponseTruncated
from tacita.privacypass import auth
from tacita.privacypass.spent import MAX_RELEASES
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["Answer", "Session"]

_LONGEST_REFUSAL = 4_096
_RELEASING = frozenset({500, 502, 503})
"""Statuses inside with which a gateway gives the token back. After 504 the target may still be at work."""


class Answer:
    """An authenticated answer whose head has arrived; the rest is read with `pieces`."""

    def __init__(self, head: ResponseHead, events: AsyncGenerator[Event]) -> None:
        self.status = head.status
        self.fields = head.fields
        self._events = events

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the content as it arrives.

        Raises:
            AnswerTruncated: it broke off; what was yielded is genuine.
            ResponseRefused: something in it is not the gateway's.
        """
        try:
            async for event in self._events:
                if isinstance(event, Content):
                    yield event.data
        except (ResponseTruncated, UpstreamError):
            raise AnswerTruncated("The answer broke off before its end; ask again for the rest.") from None


class Session:
    """Sends requests through one relay. Use as an async context manager."""

    def __init__(
        self, endpoints: Endpoints, trust: Trust, wallet: Wallet, *, recorder: Recorder | None = None
    ) -> None:
        origin, self._path = split(endpoints.relay.messages)
        self._relay = Upstream(origin, connections=8, read_seconds=300)
        self._trust = trust
        self._wallet = wallet
        self._recorder = recorder
        self.target = endpoints.target.url

    async def __aenter__(self) -> Self:
        await self._relay.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._relay.__aexit__(*exc)

    @asynccontextmanager
    async def send(self, head: RequestHead, content: bytes = b"") -> AsyncIterator[Answer]:
        """Send one request for one token; the answer's head is there on entry.

        Leaving the context early cancels the request as far as the target.

        Raises:
            WalletEmpty: no token is left; nothing was sent.
            OuterRefusal: relay or gateway refused the message.
            AnswerRefused: the gateway refused the token or the target, or the target failed.
            UpstreamError: the relay cannot be reached.
        """
        keys = {
            blind_rsa.load_public_key(key.public_key).key_id
            for key in self._trust.issuer.token_keys
            if key.token_type == blind_rsa.TOKEN_TYPE
        }
        token = self._wallet.take(self._trust.challenge.digest(), keys)
        paid = _with_token(head, token)
        for attempt in range(MAX_RELEASES + 1):
            async with self._exchange(head, paid, content) as answer:
                if answer.status in _RELEASING and attempt < MAX_RELEASES:
                    continue
                if answer.status >= 400:
                    raise await _refusal(answer)
                yield answer
                return

    @asynccontextmanager
    async def _exchange(self, head: RequestHead, paid: RequestHead, content: bytes) -> AsyncIterator[Answer]:
        message = padding.pad(encode_request(Request(paid, content)))
        sealer = RequestSealer(self._trust.key_config)
        body = b"".join(_sealed(sealer, message))
        headers = [("Content-Type", media.CHUNKED_REQUEST), ("Incremental", "?1")]
        async with self._relay.request("POST", self._path, headers, body) as response:
            if self._recorder is not None:
                self._record(head, message, content, headers, body)
            if response.status != 200 or response.media_type != media.CHUNKED_RESPONSE:
                raise OuterRefusal(_OUTER.get(response.status, _OUTER_UNKNOWN))
            async with aclosing(self._events(response, sealer.response_opener())) as events:
                yield Answer(await _head(events), events)

    async def _events(self, response: UpstreamResponse, opener: ResponseOpener) -> AsyncGenerator[Event]:
        decoder = ResponseDecoder()
        async with aclosing(response.pieces()) as pieces:
            async for piece in pieces:
                self._note(Party.RELAY, piece)
                for plaintext in opener.feed(piece):
                    self._note(Party.GATEWAY, plaintext)
                    for event in decoder.feed(plaintext):
                        yield event
        for plaintext in opener.finish():
            self._note(Party.GATEWAY, plaintext)
            for event in decoder.feed(plaintext):
                yield event
        for event in decoder.finish():
            yield event

    def _note(self, party: Party, data: bytes) -> None:
        if self._recorder is None:
            return
        self._recorder.received(party, data)
        if party is Party.GATEWAY:
            # Without a second layer the gateway carries the node's answer in the clear.
            self._recorder.received(Party.NODE, data)

    def _record(
        self, head: RequestHead, message: bytes, content: bytes, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        assert self._recorder is not None
        self._recorder.sent(Party.RELAY, self._relay.local_address, headers, body)
        self._recorder.sent(Party.GATEWAY, "", [], message)
        # What goes on to the node is the request as it was before the token was put on it.
        self._recorder.sent(Party.NODE, "", [], encode_request(Request(head, content)))


def _with_token(head: RequestHead, token: Token) -> RequestHead:
    authorization = (b"authorization", auth.format_authorization(token))
    return RequestHead(head.method, head.scheme, head.authority, head.path, (*head.fields, authorization))


def _sealed(sealer: RequestSealer, message: bytes) -> list[bytes]:
    *chunks, last = [message[start : start + MAX_CHUNK] for start in range(0, len(message), MAX_CHUNK)]
    return [sealer.header(), *[sealer.seal(chunk) for chunk in chunks], sealer.finish(last)]


async def _head(events: AsyncGenerator[Event]) -> ResponseHead:
    try:
        async for event in events:
            if isinstance(event, ResponseHead):
                return event
            if isinstance(event, End):
                break
    except (ResponseTruncated, UpstreamError):
        pass
    raise AnswerTruncated("The answer broke off before it began; the token is spent.")


async def _refusal(answer: Answer) -> AnswerRefused:
    sentence = _INNER.get(answer.status, "The gateway or the target refused the request.")
    body = b""
    async with aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            body = (body + piece)[:_LONGEST_REFUSAL]
    return AnswerRefused(sentence, answer.status, _detail(body))


def _detail(body: bytes) -> str:
    """Return what a problem document (RFC 9457) or an OpenAI error says; empty for anything else."""
    try:
        document = json.loads(body)
        said = document["error"]["message"] if "error" in document else document["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return said if isinstance(said, str) and said.isprintable() else ""


_OUTER = {
    422: "The gateway has turned its keys over; fetch them again and ask once more.",
    429: "The relay wants fewer requests from this address; wait a little.",
    502: "The relay cannot reach the gateway; try again later.",
    503: "The relay or the gateway is not ready; try again later.",
    504: "The gateway did not answer the relay in time; try again later.",
}
_OUTER_UNKNOWN = "The relay did not answer with an encapsulated response; check the endpoints."
_INNER = {
    401: "The gateway did not take the token: it was spent before, or its key has had its time.",
    403: "The gateway does not forward to this target.",
    502: "The gateway cannot reach the target; the token may be used again for this request.",
    503: "The gateway or the target is busy; try again later.",
    504: "The target took too long.",
}
