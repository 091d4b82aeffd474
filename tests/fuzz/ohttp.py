"""Oblivious HTTP: key configurations, messages to a gateway, answers to a client, framing."""

from collections.abc import Iterator
from functools import cache

from support.fuzzing import canonical, cut, outcome, pick, shared_values, total

from tacita.crypto.hpke import Kem, PrivateKey
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, keyconfig, oneshot
from tacita.ohttp.chunked import RequestOpener, RequestSealer
from tacita.ohttp.framing import ChunkSplitter, frame, frame_final

_ALGORITHMS = ((1, 1), (1, 3))


@cache
def _keys() -> tuple[GatewayKeys, KeyConfig]:
    private = PrivateKey.derive(Kem.X25519, bytes(32))
    config = KeyConfig(7, Kem.X25519, private.public_key, _ALGORITHMS)
    return GatewayKeys([GatewayKey(config, private)]), config


def _config(data: bytes) -> None:
    canonical(KeyConfig.decode, KeyConfig.encode, data)


def _list(data: bytes) -> None:
    found = total(keyconfig.decode_list, data)
    if found:
        assert keyconfig.decode_list(keyconfig.encode_list(found)) == found
        total(lambda _: keyconfig.select(found), b"")


def _oneshot(data: bytes) -> None:
    total(lambda message: oneshot.decapsulate_request(_keys()[0], message), data)


def _answer(data: bytes) -> None:
    _, exchange = oneshot.encapsulate_request(_keys()[1], b"request", ephemeral=bytes(range(32)))
    total(exchange.decapsulate_response, data)


def _chunked(data: bytes) -> None:
    pieces, whole = cut(data)
    # A bad chunk may be seen before or after a bad tag; to the peer both are the one constant answer.
    assert total(lambda _: _open(pieces), b"") == total(lambda _: _open([whole]), b"")


def _open(pieces: list[bytes]) -> bytes:
    opener = RequestOpener(_keys()[0])
    opened = [plaintext for piece in pieces for plaintext in opener.feed(piece)]
    return b"".join(opened + opener.finish())


def _framing(data: bytes) -> None:
    pieces, whole = cut(data)
    assert outcome(lambda: _split(pieces)) == outcome(lambda: _split([whole]))


def _split(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = ChunkSplitter()
    chunks = [chunk for piece in pieces for chunk in splitter.feed(piece)]
    return chunks, splitter.finish()


_CHOICES = (_config, _list, _oneshot, _answer, _chunked, _framing)


def one(data: bytes) -> None:
    """Any bytes are a value or an error of the tree, whatever the pieces that they come in."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    keys, config = _keys()
    yield b"\0" + config.encode()
    yield b"\1" + keyconfig.encode_list([config, config])
    message, _ = oneshot.encapsulate_request(config, b"a request", ephemeral=bytes(range(32)))
    yield b"\2" + message
    _, answering = oneshot.decapsulate_request(keys, message)
    yield b"\3" + answering.encapsulate_response(b"an answer", nonce=bytes(16))
    sealer = RequestSealer(config, ephemeral=bytes(range(32)))
    yield b"\4\7\7\7\7\7" + sealer.header() + sealer.seal(b"a chunk") + sealer.finish(b"the last")
    yield b"\5\1\1\1\1\1" + frame(bytes(40)) + frame_final(bytes(16))
    for value in shared_values("ohttp/rfc9458-appendix-a.json", "ohttp/chunked-ohttp-08-appendix-a.json"):
        for choice in range(4):
            yield bytes((choice,)) + value
