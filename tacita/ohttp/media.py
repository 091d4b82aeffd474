"""Media types of Oblivious HTTP (RFC 9458, Section 9; chunked draft -08, Section 8)."""

__all__ = ["CHUNKED_REQUEST", "CHUNKED_RESPONSE", "KEYS", "REQUEST", "RESPONSE"]

KEYS = "application/ohttp-keys"
REQUEST = "message/ohttp-req"
RESPONSE = "message/ohttp-res"
CHUNKED_REQUEST = "message/ohttp-chunked-req"
CHUNKED_RESPONSE = "message/ohttp-chunked-res"
