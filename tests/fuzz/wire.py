"""Varints, base64url, auth-params and server-sent events."""

from collections.abc import Iterator

from support.fuzzing import cut, outcome, pick, total

from tacita.wire import authparams, base64url, sse, varint


def _varint(data: bytes) -> None:
    found = total(varint.decode, data)
    if found is not None:
        value, size = found
        assert varint.decode(varint.encode(value)) == (value, varint.size(value))
        assert varint.size(value) <= size <= len(data)


def _minimal(data: bytes) -> None:
    found = total(varint.decode_minimal, data)
    if found is not None:
        assert varint.encode(found[0]) == data[: found[1]]


def _base64url(data: bytes) -> None:
    text = data.decode("latin-1")
    raw = total(lambda _: base64url.decode(text), data)
    if raw is not None:
        # With its padding or without (RFC 9577 writes it, others do not), and in no third way.
        assert text in (written := base64url.encode(raw), written.rstrip("="))


def _challenges(data: bytes) -> None:
    found = total(authparams.parse_challenges, data)
    if found:
        assert authparams.parse_challenges(authparams.format_challenges(found)) == found


def _credentials(data: bytes) -> None:
    found = total(authparams.parse_credentials, data)
    if found is not None:
        assert authparams.parse_credentials(authparams.format_challenge(found)) == found


def _events(data: bytes) -> None:
    pieces, whole = cut(data)
    assert outcome(lambda: _read(pieces)) == outcome(lambda: _read([whole]))


def _read(pieces: list[bytes]) -> list[str]:
    decoder = sse.EventDecoder(limit=256)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    decoder.finish()
    return events


_CHOICES = (_varint, _minimal, _base64url, _challenges, _credentials, _events)


def one(data: bytes) -> None:
    """Any bytes are a value or an error of the tree, and what was read can be written and read again."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    yield b"\0" + varint.encode(15_293)
    yield b"\1" + varint.encode(494_878_333)
    yield b"\2" + base64url.encode(bytes(range(40))).encode()
    yield b"\3" + b'PrivateToken challenge="AAIAAA==", token-key="abc=", Basic realm="x\\"y"'
    yield b"\4" + b'PrivateToken token="AAIA", extensions="AAAA"'
    yield b"\5\1\2\3\4\5" + sse.encode('{"a":1}') + b": comment\r\nid: 7\r\n\r\n" + sse.encode(sse.DONE)
