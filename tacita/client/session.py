"""One request for one token: sealed to the gateway, sent to the relay, answered as it streams.

    async with Session(endpoints, trust, wallet) as session:
        async with session.send(head, content) as answer:
            async for piece in answer.pieces(): ...

A `purse` says what a request is paid with: tokens of the wallet by default (`tacita.client.payment`).

What a retry may do. A token is shown again for the identical request only, each time sealed
afresh, and in two cases. The gateway says, authenticated, that the target failed before it
answered: as often as gateways give tokens back. The relay says, and nobody can prove, that
the gateway has no such key (422): once, and only if both mirrors now show another key than
the one that was sealed to. Anything else spends the token, whatever an unauthenticated
answer claims; a token that was shown is never shown for another request.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Self

from tacita.bhttp import (
    Content,
    End,
    Event,
    Request,
    RequestHead,
    ResponseDecoder,
    ResponseHead,
    TruncatedMessage,
    encode_request,
)
from tacita.client import refusals
from tacita.client.endpoints import Endpoints
from tacita.client.errors import AnswerRefused, AnswerTruncated, KeyRefused, speaking_of
from tacita.client.payment import Payment, Purse, tokens
from tacita.client.record import Party, Recorder
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.net import tls
from tacita.net.upstream import Upstream, UpstreamError, UpstreamResponse
from tacita.net.urls import split
from tacita.ohttp import media, padding
from tacita.ohttp.chunked import MAX_CHUNK, RequestSealer, ResponseOpener
from tacita.ohttp.errors import ResponseTruncated
from tacita.privacypass.spent import MAX_RELEASES

__all__ = ["Answer", "Session"]

_READ_SECONDS = 300.0
"""What one token buys by default; a gateway ends an exchange by then."""

_RETRY_SECONDS = 0.25
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
            InvalidMessage: the gateway broke the rules of Binary HTTP.
        """
        try:
            async for event in self._events:
                if isinstance(event, Content):
                    yield event.data
        except (ResponseTruncated, TruncatedMessage, UpstreamError):
            raise AnswerTruncated("The answer broke off before its end; ask again for the rest.") from None


class Session:
    """Sends requests through one relay. Use as an async context manager."""

    def __init__(
        self,
        endpoints: Endpoints,
        trust: Trust,
        wallet: Wallet,
        *,
        purse: Purse = tokens,
        recorder: Recorder | None = None,
    ) -> None:
        origin, self._path = split(endpoints.relay.messages)
        context = tls.client_context() if origin.startswith("https:") else None
        self._relay = Upstream(origin, tls=context, connections=8, read_seconds=_READ_SECONDS)
        self._endpoints = endpoints
        self._trust = trust
        self._wallet = wallet
        self._purse = purse
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
            WalletEmpty, WalletUnavailable, LimitReached: no token is left or can be had; nothing was sent.
            OuterRefusal: relay or gateway refused the message.
            AnswerRefused: the gateway refused the token or the target, or the target failed.
            AnswerTruncated, ResponseRefused: what came is not an answer, or not the gateway's.
            SourcesDisagree: after a refused key, the mirrors do not agree on another one.
            UpstreamError: the relay cannot be reached.
        """
        payment = self._purse(self._wallet, self._trust)
        async with AsyncExitStack() as stack:
            yield await self._answered(stack, Request(head, content), payment)

    async def _answered(self, stack: AsyncExitStack, request: Request, payment: Payment) -> Answer:
        """Return the answer that `request` gets in the end; its exchange stays open on `stack`."""
        releases, refreshed = 0, False
        earlier: AnswerRefused | None = None
        while True:
            trust = self._trust
            try:
                answer = await stack.enter_async_context(self._exchange(trust, request, payment))
            except KeyRefused:
                if refreshed or not await self._turned_over(trust, payment):
                    raise
                refreshed = True
                continue
            if answer.status < 400:
                return answer
            if answer.status == 401 and earlier is not None:
                # The token had not come back after all: what the target did is the answer.
                raise earlier
            earlier = await refusals.inside(answer.status, answer.pieces())
            if answer.status not in _RELEASING or releases == MAX_RELEASES:
                raise earlier
            await stack.aclose()
            await asyncio.sleep(_RETRY_SECONDS * 2**releases)
            releases += 1

    async def _turned_over(self, used: Trust, payment: Payment) -> bool:
        """Fetch the documents anew; say whether there is another key, for which the token is still good."""
        self._trust = trust = await Trust.fetch(self._endpoints)
        return (
            trust.key_config.encode() != used.key_config.encode()
            and trust.challenge == used.challenge
            and payment.token.token_key_id in trust.key_ids(payment.token.token_type)
        )

    @asynccontextmanager
    async def _exchange(self, trust: Trust, request: Request, payment: Payment) -> AsyncIterator[Answer]:
        message = padding.pad(encode_request(_paid(request, payment)))
        sealer = RequestSealer(trust.key_config)
        body = b"".join(_sealed(sealer, message))
        fields = [(b"content-type", media.CHUNKED_REQUEST.encode()), (b"incremental", b"?1")]
        async with AsyncExitStack() as stack:
            with speaking_of("the relay"):
                sending = self._relay.request("POST", self._path, fields, body)
                response = await stack.enter_async_context(sending)
            if self._recorder is not None:
                self._recorder.sent(Party.RELAY, self._relay.local_address, fields, body)
                self._recorder.sent(Party.GATEWAY, "", [], message)
                # What goes on to the node is the request as it was before the token was put on it.
                self._recorder.sent(Party.NODE, "", [], encode_request(request))
            if response.status != 200 or response.media_type != media.CHUNKED_RESPONSE:
                raise refusals.outside(response.status)
            opened = self._events(response, sealer.response_opener())
            events = await stack.enter_async_context(aclosing(opened))
            yield Answer(await _head(events), events)

    async def _events(self, response: UpstreamResponse, opener: ResponseOpener) -> AsyncGenerator[Event]:
        decoder = ResponseDecoder()
        async with aclosing(response.pieces()) as pieces:
            async for piece in pieces:
                self._note(Party.RELAY, piece)
                for plaintext in opener.feed(piece):
                    for event in decoder.feed(plaintext):
                        yield self._noted(event)
        for plaintext in opener.finish():
            for event in decoder.feed(plaintext):
                yield self._noted(event)
        for event in decoder.finish():
            yield event

    def _noted(self, event: Event) -> Event:
        if isinstance(event, Content):
            # Without a second layer the gateway carries the node's answer in the clear.
            self._note(Party.GATEWAY, event.data)
            self._note(Party.NODE, event.data)
        return event

    def _note(self, party: Party, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder.received(party, data)


def _paid(request: Request, payment: Payment) -> Request:
    authorization = (b"authorization", payment.authorization())
    head = replace(request.head, fields=(*request.head.fields, authorization))
    return replace(request, head=head)


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
    except (ResponseTruncated, TruncatedMessage, UpstreamError):
        pass
    raise AnswerTruncated("The answer broke off before it began; the token is spent.")
