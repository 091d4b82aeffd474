"""Anonymous rate-limited credentials over P-256: issued once, shown a fixed number of times. EXPERIMENTAL.

    key = PrivateKey.generate()
    request, secrets = request_credential(b"request context")
    response = respond(key, request)                        # the issuer
    credential = finalize(secrets, key.public_key, request, response)
    nonce = state.take(b"epoch 7", 100)                     # state: the credential's PresentationState
    presentation = present(credential, b"epoch 7", nonce, 100)
    verify(key, b"request context", b"epoch 7", presentation, 100)  # the issuer again

Nobody can link two presentations, or one to its issuance; but the same credential, context and
nonce always make the same `tag`, and a nonce at or above the limit cannot be proven. So
whoever remembers tags holds every credential to its limit in each context.

Experimental: this follows a draft, named in `suite.DRAFT`, that stands on two further drafts, and
whose vectors have a limit of 2 only. It changes with the draft, and what was issued before does
not survive that.

`suite` has the group and its labels, `sigma` proves and verifies any linear relation, `range_proof`
the part about the nonce, `keys`, `issuance`, `credential` and `presentation` are the protocol,
`state` is the client's count.
"""

from tacita.crypto.arc.credential import Credential
from tacita.crypto.arc.errors import (
    InvalidProof,
    LimitOutOfRange,
    LimitReached,
    PresentationMalformed,
    StateMalformed,
)
from tacita.crypto.arc.issuance import (
    ClientSecrets,
    CredentialRequest,
    CredentialResponse,
    finalize,
    request_credential,
    require_proof,
    respond,
)
from tacita.crypto.arc.keys import PrivateKey, PublicKey
from tacita.crypto.arc.presentation import Presentation, present, verify
from tacita.crypto.arc.state import PresentationState

__all__ = [
    "ClientSecrets",
    "Credential",
    "CredentialRequest",
    "CredentialResponse",
    "InvalidProof",
    "LimitOutOfRange",
    "LimitReached",
    "Presentation",
    "PresentationMalformed",
    "PresentationState",
    "PrivateKey",
    "PublicKey",
    "StateMalformed",
    "finalize",
    "present",
    "request_credential",
    "require_proof",
    "respond",
    "verify",
]
