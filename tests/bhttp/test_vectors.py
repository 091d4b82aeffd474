"""The examples of RFC 9292, Section 5 (and the truncated ones of RFC 9458), in every way they can arrive."""

from typing import Any

import pytest
from support import vectors
from support.bhttp_strategies import example_message, run

from tacita.bhttp import (
    Request,
    RequestDecoder,
    Response,
    ResponseDecoder,
    TruncatedMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)

EXAMPLES = vectors.own("rfc9292.json")["examples"]
by_name = pytest.mark.parametrize("example", EXAMPLES, ids=[example["name"] for example in EXAMPLES])


def decode(example: dict[str, Any], data: bytes) -> Request | Response:
    return decode_request(data) if example["kind"] == "request" else decode_response(data)


def decoder(example: dict[str, Any]) -> RequestDecoder | ResponseDecoder:
    return RequestDecoder() if example["kind"] == "request" else ResponseDecoder()


@by_name
def test_whole(example: dict[str, Any]) -> None:
    assert decode(example, bytes.fromhex(example["bhttp"])) == example_message(example)


@by_name
def test_byte_by_byte(example: dict[str, Any]) -> None:
    data = bytes.fromhex(example["bhttp"])
    pieces = [data[offset : offset + 1] for offset in range(len(data))]
    assert run(decoder(example), pieces) == run(decoder(example), [data])


@by_name
def test_truncated_without_a_change_of_meaning(example: dict[str, Any]) -> None:
    data = bytes.fromhex(example["bhttp"])
    for removed in range(example["removable"] + 1):
        assert decode(example, data[: len(data) - removed]) == example_message(example)


@by_name
def test_ends_where_section_3_8_permits_and_nowhere_else(example: dict[str, Any]) -> None:
    data = bytes.fromhex(example["bhttp"])
    for length in range(len(data) + 1):
        prefix = data[:length]
        pieces = [prefix[offset : offset + 1] for offset in range(length)]
        if length in example["ends"]:
            decode(example, prefix)
            run(decoder(example), pieces)
        else:
            with pytest.raises(TruncatedMessage):
                decode(example, prefix)
            with pytest.raises(TruncatedMessage):
                run(decoder(example), pieces)


@by_name
def test_encoded_again(example: dict[str, Any]) -> None:
    """Our encoders write the very bytes of the RFC, but for what it left out or padded at the end."""
    message = example_message(example)
    data = bytes.fromhex(example["bhttp"])
    if isinstance(message, Request):
        encoded = encode_request(message, form=example["form"])
    else:
        encoded = encode_response(message, form=example["form"])
    longer, shorter = max(encoded, data, key=len), min(encoded, data, key=len)
    assert longer.startswith(shorter)
    assert not longer[len(shorter) :].strip(b"\0")
