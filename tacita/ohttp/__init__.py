"""Oblivious HTTP (RFC 9458) and its chunked form (draft-ietf-ohai-chunked-ohttp-08).

    # the client, from bytes of application/ohttp-keys
    config = keyconfig.select(keyconfig.decode_list(data))
    message, exchange = oneshot.encapsulate_request(config, request)

    # the gateway
    request, answer = oneshot.decapsulate_request(keys, message)
    sealed = answer.encapsulate_response(response)

    # the client again
    response = exchange.decapsulate_response(sealed)

`request` and `response` are Binary HTTP messages (`tacita.bhttp`), opaque here.
`chunked` does the same piece by piece. `keyconfig` is what a gateway publishes,
`keys` what it keeps, `media` the media types, `padding` hides lengths, `exchange`
what the two forms share, and `framing` how chunks stand on the wire.
"""

from tacita.ohttp import chunked, keyconfig, media, oneshot, padding
from tacita.ohttp.errors import RequestRefused, ResponseRefused
from tacita.ohttp.keyconfig import KeyConfig
from tacita.ohttp.keys import GatewayKey, GatewayKeys

__all__ = [
    "GatewayKey",
    "GatewayKeys",
    "KeyConfig",
    "RequestRefused",
    "ResponseRefused",
    "chunked",
    "keyconfig",
    "media",
    "oneshot",
    "padding",
]
