import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId
from support import vectors
from support.ohttp_keys import gateway_key

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey, RecipientSetup, Suite
from tacita.ohttp import GatewayKey, GatewayKeys, chunked, keyconfig, oneshot
from tacita.ohttp.chunked import MAX_CHUNK, RequestOpener, RequestSealer, ResponseOpener
from tacita.ohttp.errors import (
    ExchangeClosed,
    MalformedRequest,
    RequestRefused,
    RequestTruncated,
    ResponseRefused,
    ResponseTruncated,
    SuiteNotOffered,
    UndecryptableRequest,
    UnknownKey,
)
from tacita.ohttp.exchange import CHUNKED
from tacita.ohttp.framing import frame, frame_final

SUITES = [Suite(*parts) for parts in itertools.product(Kem, Kdf, Aead)]
KEYS = GatewayKeys([gateway_key(kem, key_id=place, kdfs=tuple(Kdf)) for place, kem in enumerate(Kem)])
CONFIGS = {key.config.kem: key.config for key in KEYS}
CONFIG = CONFIGS[Kem.X25519]

suites = st.sampled_from(SUITES)
suites_of_pyhpke = st.sampled_from([suite for suite in SUITES if suite.kem is not Kem.XWING])
plaintexts = st.lists(st.binary(min_size=1, max_size=100), max_size=5)
finals = st.binary(max_size=100)
cut_points = st.lists(st.integers(min_value=0), max_size=8)


class Exchange:
    """A request of given chunks that a gateway has read, and its sealed response."""

    def __init__(self, suite: Suite, request: list[bytes], response: list[bytes]) -> None:
        self.sealer = RequestSealer(CONFIGS[suite.kem], suite=suite)
        self.request = self._sealed(self.sealer, request)
        opener = RequestOpener(KEYS)
        opener.feed(b"".join(self.request))
        opener.finish()
        self.response = self._sealed(opener.response_sealer(), response)

    @staticmethod
    def _sealed(sealer: chunked.RequestSealer | chunked.ResponseSealer, chunks: list[bytes]) -> list[bytes]:
        return [sealer.header(), *map(sealer.seal, chunks[:-1]), sealer.finish(chunks[-1])]

    def openers(
        self,
    ) -> Iterator[tuple[Callable[[], RequestOpener | ResponseOpener], list[bytes], type[Exception]]]:
        """Yield for both directions: what makes an opener, the stream, the error of a refusal."""
        yield lambda: RequestOpener(KEYS), self.request, RequestRefused
        yield self.sealer.response_opener, self.response, ResponseRefused


def drain(opener: RequestOpener | ResponseOpener, pieces: list[bytes]) -> list[bytes]:
    return [chunk for piece in pieces for chunk in opener.feed(piece)] + opener.finish()


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


# The draft's vector


def framed(message: dict[str, object]) -> tuple[list[bytes], list[bytes]]:
    """Return the plaintext pieces and the framed chunks of a vector's message."""
    content = bytes.fromhex(str(message["binary_http"]))
    chunks = message["chunks"]
    assert isinstance(chunks, list)
    pieces = []
    for chunk in chunks:
        pieces.append(content[: chunk["plaintext_length"]])
        content = content[chunk["plaintext_length"] :]
    assert content == b""
    return pieces, [bytes.fromhex(chunk["framed"]) for chunk in chunks]


def test_appendix_a_client() -> None:
    vector = vectors.own("chunked_ohttp_08.json")
    sealer = RequestSealer(
        keyconfig.decode(bytes.fromhex(vector["gateway"]["key_config"])),
        ephemeral=bytes.fromhex(vector["client"]["ephemeral_secret_key"]),
    )
    assert sealer.header().hex() == vector["request"]["header"]
    (first, second, last), expected = framed(vector["request"])
    assert [sealer.seal(first), sealer.seal(second), sealer.finish(last)] == expected
    pieces, sealed = framed(vector["response"])
    stream = bytes.fromhex(vector["response"]["nonce"]) + b"".join(sealed)
    assert drain(sealer.response_opener(), [stream]) == pieces[:2]


def test_appendix_a_gateway() -> None:
    vector = vectors.own("chunked_ohttp_08.json")
    config = keyconfig.decode(bytes.fromhex(vector["gateway"]["key_config"]))
    private_key = PrivateKey.from_bytes(Kem.X25519, bytes.fromhex(vector["gateway"]["secret_key"]))
    opener = RequestOpener(GatewayKeys([GatewayKey(config, private_key)]))
    pieces, sealed = framed(vector["request"])
    stream = bytes.fromhex(vector["request"]["header"]) + b"".join(sealed)
    assert drain(opener, [stream]) == pieces[:2]
    assert opener.enc.hex() == vector["client"]["enc"]
    sealer = opener.response_sealer(bytes.fromhex(vector["response"]["nonce"]))
    (first, second, last), expected = framed(vector["response"])
    assert sealer.header().hex() == vector["response"]["nonce"]
    assert [sealer.seal(first), sealer.seal(second), sealer.finish(last)] == expected


# Properties


@given(suite=suites, request=plaintexts, final=finals, cuts=cut_points)
def test_any_cut_of_either_stream_gives_the_same_chunks(
    suite: Suite, request: list[bytes], final: bytes, cuts: list[int]
) -> None:
    chunks = [*request, final]
    exchange = Exchange(suite, chunks, chunks)
    expected = [chunk for chunk in chunks if chunk]
    for make, sealed, _ in exchange.openers():
        assert drain(make(), split(b"".join(sealed), cuts)) == expected
        assert drain(make(), [bytes([byte]) for byte in b"".join(sealed)]) == expected


@given(suite=suites_of_pyhpke, chunks=plaintexts, final=finals)
def test_pyhpke_opens_the_chunks(suite: Suite, chunks: list[bytes], final: bytes) -> None:
    sealer = RequestSealer(CONFIGS[suite.kem], suite=suite)
    header = sealer.header()
    theirs = CipherSuite.new(KEMId(int(suite.kem)), KDFId(int(suite.kdf)), AEADId(int(suite.aead)))
    key = theirs.kem.derive_key_pair(b"\x01" * 64).private_key
    info = b"message/bhttp chunked request\0" + header[:7]
    context = theirs.create_recipient_context(header[7:], key, info)
    for chunk in chunks:
        assert context.open(sealer.seal(chunk)[-len(chunk) - 16 :], b"") == chunk
    assert context.open(sealer.finish(final)[1:], b"final") == final


@given(garbage=st.binary(max_size=300), good_header=st.booleans())
def test_garbage_is_refused(garbage: bytes, good_header: bool) -> None:
    sealer = RequestSealer(CONFIG)
    prefix = sealer.header() if good_header else b""
    with pytest.raises(RequestRefused):
        drain(RequestOpener(KEYS), [prefix + garbage])
    with pytest.raises(ResponseRefused):
        drain(sealer.response_opener(), [garbage])


@pytest.mark.parametrize("suite", SUITES)
def test_every_flipped_bit_is_refused(suite: Suite) -> None:
    exchange = Exchange(suite, [b"one", b"two", b"three"], [b"1", b"2", b""])
    for make, sealed, refused in exchange.openers():
        stream = b"".join(sealed)
        for position in range(8 * len(stream)):
            changed = bytearray(stream)
            changed[position // 8] ^= 1 << position % 8
            with pytest.raises(refused):
                drain(make(), [bytes(changed)])


@pytest.mark.parametrize("suite", SUITES)
def test_every_cut_end_is_refused(suite: Suite) -> None:
    exchange = Exchange(suite, [b"one", b"two", b"three"], [b"1", b"2", b""])
    for make, sealed, refused in exchange.openers():
        stream = b"".join(sealed)
        for end in range(len(stream)):
            with pytest.raises(refused):
                drain(make(), [stream[:end]])
        with pytest.raises(refused):
            drain(make(), [stream + b"\0"])


@given(order=st.lists(st.integers(0, 3), max_size=6).filter(lambda order: order != [0, 1, 2]))
def test_only_all_chunks_in_order_are_accepted(order: list[int]) -> None:
    """Dropped, repeated and swapped chunks; 3 is the final one's seal framed as another chunk."""
    chunks = [b"one", b"two", b"three", b"last"]
    for make, (prefix, *sealed), refused in Exchange(SUITES[0], chunks, chunks).openers():
        pieces = [*sealed[:3], frame(sealed[3][1:])]
        with pytest.raises(refused):
            drain(make(), [prefix, *(pieces[index] for index in order), sealed[3]])


def test_a_chunk_framed_as_final_is_refused() -> None:
    chunks = [b"one", b"two", b"last"]
    for make, (prefix, first, second, _), refused in Exchange(SUITES[0], chunks, chunks).openers():
        with pytest.raises(refused):
            drain(make(), [prefix, first, frame_final(second[1:])])


def test_an_empty_chunk_before_the_final_is_a_decryption_error() -> None:
    """Sealed properly, by a peer that does what `seal` refuses."""
    for make, (prefix, *_), refused in Exchange(SUITES[0], [b""], [b""]).openers():
        opener = make()
        opener.feed(prefix)
        with pytest.raises(refused):
            opener.feed(frame(bytes(16)))
    sealer = RequestSealer(CONFIG)
    header = sealer.header()
    with pytest.raises(RequestRefused) as empty:
        drain(RequestOpener(KEYS), [header + frame(sealer._sequence.seal(b"", b"")) + sealer.finish()])
    assert str(empty.value) == str(UndecryptableRequest())


@pytest.mark.parametrize("suite", SUITES)
def test_the_longest_chunks(suite: Suite) -> None:
    longest = [b"a" * MAX_CHUNK, b"b" * MAX_CHUNK]
    for make, sealed, _ in Exchange(suite, longest, longest).openers():
        assert drain(make(), split(b"".join(sealed), list(range(0, 40_000, 1_447)))) == longest


def test_longer_chunks_are_refused_before_they_arrive() -> None:
    for make, (prefix, *_), refused in Exchange(SUITES[0], [b""], [b""]).openers():
        opener = make()
        opener.feed(prefix)
        with pytest.raises(refused):
            opener.feed((MAX_CHUNK + 17 | 2 << 30).to_bytes(4, "big"))
        opener = make()
        opener.feed(prefix + b"\0" + bytes(MAX_CHUNK + 16))
        with pytest.raises(refused):
            opener.feed(b"\0")


def test_what_a_client_hears_of_truncation() -> None:
    sealer = RequestSealer(CONFIG)
    opener = RequestOpener(KEYS)
    opener.feed(sealer.header())
    answer = opener.response_sealer()
    nonce, chunk, final = answer.header(), answer.seal(b"x"), answer.finish(b"y")
    for stream in (b"", nonce[:5], nonce, nonce + chunk[:3], nonce + chunk):
        with pytest.raises(ResponseTruncated):
            drain(sealer.response_opener(), [stream])
    with pytest.raises(ResponseRefused) as cut_inside:
        drain(sealer.response_opener(), [nonce + chunk + final[:-1]])
    assert not isinstance(cut_inside.value, ResponseTruncated)


def test_a_response_to_another_request_is_refused() -> None:
    first, second = Exchange(SUITES[-1], [b"same"], [b"x"]), Exchange(SUITES[-1], [b"same"], [b"x"])
    with pytest.raises(ResponseRefused):
        drain(first.sealer.response_opener(), second.response)
    with pytest.raises(ResponseRefused):
        drain(first.sealer.response_opener(), [bytes(len(first.response[0])), *first.response[1:]])


def test_the_two_forms_do_not_open_each_other() -> None:
    message, _ = oneshot.encapsulate_request(CONFIG, b"request")
    with pytest.raises(RequestRefused):
        drain(RequestOpener(KEYS), [message[:39] + b"\0" + message[39:]])
    sealer = RequestSealer(CONFIG)
    with pytest.raises(RequestRefused):
        oneshot.decapsulate_request(KEYS, sealer.header() + sealer.finish(b"request")[1:])


# States


def test_response_may_begin_before_the_request_ends() -> None:
    sealer, opener = RequestSealer(CONFIG), RequestOpener(KEYS)
    opener.feed(sealer.header())
    answer, reader = opener.response_sealer(), sealer.response_opener()
    assert reader.feed(answer.header() + answer.seal(b"early")) == [b"early"]
    assert opener.feed(sealer.seal(b"late")) == [b"late"]
    opener.feed(sealer.finish())
    assert opener.finish() == []
    reader.feed(answer.finish(b"end"))
    assert reader.finish() == [b"end"]


def test_there_is_no_context_before_the_header_or_after_a_refusal() -> None:
    sealer, opener = RequestSealer(CONFIG), RequestOpener(KEYS)
    header = sealer.header()
    opener.feed(header[:-1])
    for use in (opener.response_sealer, lambda: opener.enc, lambda: opener.key_id):
        with pytest.raises(ExchangeClosed):
            use()
    opener.feed(header[-1:])
    assert opener.enc == header[7:]
    assert opener.key_id == header[0]
    with pytest.raises(UndecryptableRequest):
        opener.feed(frame(bytes(20)))
    for use in (opener.response_sealer, lambda: opener.enc, lambda: opener.key_id):
        with pytest.raises(ExchangeClosed):
            use()


def test_nothing_follows_an_end_or_an_error() -> None:
    for make, sealed, refused in Exchange(SUITES[0], [b"x"], [b"y"]).openers():
        finished = make()
        drain(finished, sealed)
        failed = make()
        failed.feed(sealed[0])
        with pytest.raises(refused):
            failed.finish()
        for opener in (finished, failed):
            with pytest.raises(ExchangeClosed):
                opener.feed(b"")
            with pytest.raises(ExchangeClosed):
                opener.finish()


def test_a_sealer_keeps_its_order() -> None:
    sealer = RequestSealer(CONFIG)
    for too_early in (lambda: sealer.seal(b"x"), sealer.finish):
        with pytest.raises(ExchangeClosed):
            too_early()
    sealer.header()
    sealer.finish()
    for too_late in (sealer.header, sealer.finish, lambda: sealer.seal(b"x")):
        with pytest.raises(ExchangeClosed):
            too_late()


def test_chunks_of_impossible_size_are_mistakes() -> None:
    sealer = RequestSealer(CONFIG)
    sealer.header()
    for chunk in (b"", bytes(MAX_CHUNK + 1)):
        with pytest.raises(ValueError, match="16,384"):
            sealer.seal(chunk)
    with pytest.raises(ValueError, match="16,384"):
        sealer.finish(bytes(MAX_CHUNK + 1))
    opener = RequestOpener(KEYS)
    opener.feed(RequestSealer(CONFIG).header())
    with pytest.raises(ValueError, match="nonce"):
        opener.response_sealer(bytes(12))


def test_reasons() -> None:
    sealer = RequestSealer(CONFIG)
    header, chunk = sealer.header(), sealer.seal(b"x")
    for data, error in (
        (b"", RequestTruncated),
        (header[:20], RequestTruncated),
        (header + chunk, RequestTruncated),
        (b"\x09" + header[1:7], UnknownKey),
        (b"\x00" + header[1:7], SuiteNotOffered),
        (header[:7] + bytes(32), UndecryptableRequest),
        (header + frame(bytes(20)), UndecryptableRequest),
        (header + b"\x05" + bytes(5), MalformedRequest),
        (header + chunk + b"\0" + bytes(15), MalformedRequest),
    ):
        with pytest.raises(error) as refused:
            drain(RequestOpener(KEYS), [data])
        assert str(refused.value) == str(RequestRefused())


def test_an_unknown_key_is_refused_at_the_seventh_byte() -> None:
    opener = RequestOpener(KEYS)
    assert opener.feed(b"\x09\x00\x20\x00\x01\x00") == []
    with pytest.raises(UnknownKey):
        opener.feed(b"\x01")


def test_labels_are_those_of_the_draft() -> None:
    """The HPKE context by hand, beside the one that the sealer makes."""
    sealer = RequestSealer(CONFIG)
    header = sealer.header()
    key = KEYS.get(1)
    assert key is not None
    info = b"message/bhttp chunked request\0" + header[:7]
    context = RecipientSetup(CONFIG.suites[0], key.private_key, info).open(header[7:])
    assert context.open(b"final", sealer.finish(b"x")[1:]) == b"x"
    assert CHUNKED.response == b"message/bhttp chunked response"
