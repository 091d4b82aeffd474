"""What a new version of the ARC draft for Privacy Pass changes in numbers and names.

The labels of the cryptography stand in `tacita.crypto.arc.suite`, beside the version of its draft.
"""

__all__ = ["DRAFT", "REQUEST_MEDIA_TYPE", "RESPONSE_MEDIA_TYPE", "TOKEN_TYPE"]

DRAFT = "draft-ietf-privacypass-arc-protocol-01"

TOKEN_TYPE = 0xE5AC
"""ARC (P-256)."""

REQUEST_MEDIA_TYPE = "application/private-credential-request"
RESPONSE_MEDIA_TYPE = "application/private-credential-response"
