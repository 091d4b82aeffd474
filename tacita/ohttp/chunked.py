"""The chunked form: message/ohttp-chunked-req and -res (draft-ietf-ohai-chunked-ohttp-08).

    sealer = RequestSealer(config)                  # client
    stream = sealer.header() + sealer.seal(b"…") + sealer.finish(b"…")

    opener = RequestOpener(keys)                    # gateway
    parts = opener.feed(stream) + opener.finish()
    answer = opener.response_sealer()

One call of `seal` makes one chunk, whose length shows on the wire. An opener takes the
stream cut anywhere and holds at most one chunk of it. What `feed` returns is genuine
and in order, but the message is complete only when `finish` has returned: until then
it may have been cut (Section 7.1). After an error an object does nothing more.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import ClassVar, Protocol

from tacita.crypto.hpke import HpkeError, InvalidKey, OpenFailed, Suite
from tacita.crypto.hpke.sequence import OpeningSequence, SealingSequence
from tacita.errors import TacitaError
from tacita.ohttp.errors import (
    ExchangeClosed,
    MalformedRequest,
    RequestTruncated,
    ResponseRefused,
    ResponseTruncated,
    SuiteNotOffered,
    UndecryptableRequest,
)
from tacita.ohttp.exchange import CHUNKED, HEADER_SIZE, ResponseSecret, start
from tacita.ohttp.framing import (
    MAX_CHUNK,
    TAG_SIZE,
    ChunkSplitter,
    InvalidChunk,
    MissingFinalChunk,
    frame,
    frame_final,
)
from tacita.ohttp.keyconfig import KeyConfig
from tacita.ohttp.keys import GatewayKeys

__all__ = ["MAX_CHUNK", "RequestOpener", "RequestSealer", "ResponseOpener", "ResponseSealer"]

_FINAL = b"final"
_NOT_FINAL = b""


class _Seals(Protocol):
    def seal(self, aad: bytes, plaintext: bytes, /) -> bytes: ...


class _Opens(Protocol):
    def open(self, aad: bytes, ciphertext: bytes, /) -> bytes: ...


class _Sealer:
    """Prefix, chunks, final chunk, in this order."""

    __slots__ = ("_finished", "_prefix", "_sequence", "_started")

    def __init__(self, prefix: bytes, sequence: _Seals) -> None:
        self._prefix = prefix
        self._sequence = sequence
        self._started = False
        self._finished = False

    def header(self) -> bytes:
        """Return what stands before the chunks; to be sent first.

        Raises:
            ExchangeClosed: it was taken already.
        """
        if self._started:
            raise ExchangeClosed("The header of a chunked message was taken already.")
        self._started = True
        return self._prefix

    def seal(self, chunk: bytes) -> bytes:
        """Return one non-final chunk of 1 to `MAX_CHUNK` bytes, sealed and framed.

        Raises:
            ValueError: the chunk is empty or too long.
            ExchangeClosed: before `header` or after `finish`.
        """
        self._check_open()
        if not 0 < len(chunk) <= MAX_CHUNK:
            raise ValueError("a chunk that is not the final one has 1 to 16,384 bytes")
        return frame(self._sequence.seal(_NOT_FINAL, chunk))

    def finish(self, chunk: bytes = b"") -> bytes:
        """Return the final chunk of 0 to `MAX_CHUNK` bytes, sealed and framed.

        Raises:
            ValueError: the chunk is too long.
            ExchangeClosed: before `header` or after `finish`.
        """
        self._check_open()
        if len(chunk) > MAX_CHUNK:
            raise ValueError("a chunk has at most 16,384 bytes")
        self._finished = True
        return frame_final(self._sequence.seal(_FINAL, chunk))

    def _check_open(self) -> None:
        if not self._started:
            raise ExchangeClosed("Take the header of a chunked message before its chunks.")
        if self._finished:
            raise ExchangeClosed("A chunked message is finished; nothing can follow.")


class RequestSealer(_Sealer):
    """The client's request (Section 6.1)."""

    __slots__ = ("_secret",)

    def __init__(
        self, config: KeyConfig, *, suite: Suite | None = None, ephemeral: bytes | None = None
    ) -> None:
        """Begin a request to the key of `config`, under `suite` or the client's preference.

        `ephemeral` is for vectors: the private key of the HPKE encapsulation.

        Raises:
            NoUsableKey: the configuration does not offer `suite`, or nothing that is implemented.
            InvalidKey: the configuration's key is of small order.
        """
        prefix, context, self._secret = start(config, CHUNKED, suite, ephemeral)
        super().__init__(prefix, context)

    def response_opener(self) -> ResponseOpener:
        """Return what opens the response, which may begin before the request has ended."""
        return ResponseOpener(self._secret)


class ResponseSealer(_Sealer):
    """The gateway's response (Section 6.2); made by `RequestOpener.response_sealer`."""

    __slots__ = ()

    def __init__(self, secret: ResponseSecret, nonce: bytes) -> None:
        cipher, base_nonce = secret.derive(nonce)
        super().__init__(nonce, SealingSequence(cipher, base_nonce))


class _Opener:
    """A prefix of known size, then chunks. Subclasses read the prefix and name the errors."""

    __slots__ = ("_failed", "_finished", "_prefix", "_prefix_size", "_sequence", "_splitter")

    _malformed: ClassVar[type[TacitaError]]
    _truncated: ClassVar[type[TacitaError]]
    _undecryptable: ClassVar[type[TacitaError]]

    def __init__(self, prefix_size: int) -> None:
        self._prefix = bytearray()
        self._prefix_size = prefix_size
        self._sequence: _Opens | None = None
        self._splitter = ChunkSplitter()
        self._failed = False
        self._finished = False

    def _feed(self, data: bytes) -> list[bytes]:
        self._check_open()
        try:
            if self._sequence is None:
                data = self._read_prefix(data)
            if self._sequence is None:
                return []
            sequence = self._sequence
            return [sequence.open(_NOT_FINAL, sealed) for sealed in self._splitter.feed(data)]
        except TacitaError as error:
            raise self._fail(error) from None

    def _finish(self) -> list[bytes]:
        self._check_open()
        try:
            if self._sequence is None:
                raise self._truncated
            chunk = self._sequence.open(_FINAL, self._splitter.finish())
        except TacitaError as error:
            raise self._fail(error) from None
        self._finished = True
        return [chunk] if chunk else []

    def _read_prefix(self, data: bytes) -> bytes:
        """Take what is missing of the prefix from `data` and return the rest of it."""
        offset = 0
        while self._sequence is None:
            missing = self._prefix_size - len(self._prefix)
            taken = data[offset : offset + missing]
            self._prefix += taken
            offset += len(taken)
            if len(taken) < missing:
                break
            self._begin(bytes(self._prefix))
        return data[offset:]

    def _begin(self, prefix: bytes) -> None:
        """Set `_sequence`, or a larger `_prefix_size` if more of the prefix is needed."""
        raise NotImplementedError

    def _fail(self, error: TacitaError) -> TacitaError:
        self._failed = True
        self._splitter = ChunkSplitter()  # lets go of what it held
        if isinstance(error, HpkeError):
            return self._undecryptable()
        if isinstance(error, InvalidChunk):
            return self._malformed()
        if isinstance(error, MissingFinalChunk):
            return self._truncated()
        return error

    def _check_open(self) -> None:
        if self._failed:
            raise ExchangeClosed("A chunked message was refused; nothing more of it can be read.")
        if self._finished:
            raise ExchangeClosed("A chunked message is finished; nothing can follow.")


class RequestOpener(_Opener):
    """The gateway's end of a request (Section 6.1)."""

    __slots__ = ("_keys", "_secret")

    _malformed = MalformedRequest
    _truncated = RequestTruncated
    _undecryptable = UndecryptableRequest

    def __init__(self, keys: GatewayKeys) -> None:
        super().__init__(HEADER_SIZE)
        self._keys = keys
        self._secret: ResponseSecret | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Return the plaintexts that `data`, a piece of the stream, completes.

        Raises:
            RequestRefused: whatever is wrong; the leaf says what, and the peer is not told.
            ExchangeClosed: after `finish` or an error.
        """
        return self._feed(data)

    def finish(self) -> list[bytes]:
        """Return the plaintext of the final chunk, unless it is empty: the request is complete.

        Raises:
            RequestRefused: the stream was cut, or the final chunk does not open.
            ExchangeClosed: after `finish` or an error.
        """
        return self._finish()

    @property
    def ready(self) -> bool:
        """Whether the header has been read, so that `enc` and `response_sealer` can be had."""
        return not self._failed and self._secret is not None

    @property
    def enc(self) -> bytes:
        """The encapsulated key, which tells a replayed request (RFC 9458, Section 6.5).

        Raises:
            ExchangeClosed: the header has not been read, or the request was refused.
        """
        return self._ready().enc

    @property
    def key_id(self) -> int:
        """The id of the key that the request is sealed to. Raises as `enc`."""
        self._ready()
        return self._prefix[0]

    def response_sealer(self, nonce: bytes | None = None) -> ResponseSealer:
        """Return what seals the response; as soon as the header has been read.

        `nonce`, of max(Nn, Nk) bytes, is for vectors: a repeated one repeats the keys.

        Raises:
            ExchangeClosed: the header has not been read, or the request was refused.
            ValueError: `nonce` has another length.
        """
        secret = self._ready()
        return ResponseSealer(secret, os.urandom(secret.nonce_size) if nonce is None else nonce)

    def _ready(self) -> ResponseSecret:
        if self._failed or self._secret is None:
            raise ExchangeClosed("A chunked request has no context: its header is missing or was refused.")
        return self._secret

    def _begin(self, prefix: bytes) -> None:
        setup = self._keys.setup(CHUNKED, prefix[:HEADER_SIZE])
        self._prefix_size = HEADER_SIZE + setup.suite.n_enc
        if len(prefix) == self._prefix_size:
            enc = prefix[HEADER_SIZE:]
            self._sequence = context = setup.open(enc)
            self._secret = ResponseSecret.of(context, enc, CHUNKED)

    def _fail(self, error: TacitaError) -> TacitaError:
        # As for the one-shot form: a first chunk that does not open takes no longer than what is none.
        # How a stream was cut into chunks, and where it ended, everybody could see.
        prefix = bytes(self._prefix)
        if isinstance(error, InvalidKey):
            self._keys.setup(CHUNKED, prefix[:HEADER_SIZE]).in_vain(b"")
        elif self._sequence is None and isinstance(error, SuiteNotOffered | RequestTruncated):
            self._keys.in_vain(CHUNKED, prefix)
        elif self._sequence is not None and isinstance(error, InvalidChunk):
            with suppress(OpenFailed):
                self._sequence.open(_NOT_FINAL, bytes(TAG_SIZE))
        return super()._fail(error)


class ResponseOpener(_Opener):
    """The client's end of a response (Section 6.2); made by `RequestSealer.response_opener`."""

    __slots__ = ("_secret",)

    _malformed = ResponseRefused
    _truncated = ResponseTruncated
    _undecryptable = ResponseRefused

    def __init__(self, secret: ResponseSecret) -> None:
        super().__init__(secret.nonce_size)
        self._secret = secret

    def feed(self, data: bytes) -> list[bytes]:
        """Return the plaintexts that `data`, a piece of the stream, completes.

        Raises:
            ResponseRefused: the stream does not belong to the request, or was altered.
            ExchangeClosed: after `finish` or an error.
        """
        return self._feed(data)

    def finish(self) -> list[bytes]:
        """Return the plaintext of the final chunk, unless it is empty: the response is complete.

        Raises:
            ResponseTruncated: the stream ended before its final chunk.
            ResponseRefused: the final chunk was altered or cut.
            ExchangeClosed: after `finish` or an error.
        """
        return self._finish()

    def _begin(self, prefix: bytes) -> None:
        cipher, base_nonce = self._secret.derive(prefix)
        self._sequence = OpeningSequence(cipher, base_nonce)
