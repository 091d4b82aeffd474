"""Nothing in the ARC draft's vectors is passed over.

`test_issuance` and `test_presentation` replay the exchange, byte for byte. Here are the values that go into
it, and that there are no others.
"""

from support import vectors
from support.arc import VectorStream

from tacita.crypto.arc import suite

REPLAYED = {
    "ServerKey": {"x0", "x1", "x2", "xb", "X0", "X1", "X2"},
    "CredentialRequest": {"request_context", "m1_enc", "m2_enc", "proof"},
    "CredentialResponse": {"U", "enc_U_prime", "X0_aux", "X1_aux", "X2_aux", "H_aux", "proof"},
    "Credential": {"m1", "U", "U_prime", "X1"},
    **dict.fromkeys(
        ("Presentation1", "Presentation2"),
        {"presentation_context", "nonce", "U", "U_prime_commit", "m1_commit", "nonce_commit", "tag", "D_0"}
        | {"proof"},
    ),
}
DRAWN = {
    "CredentialRequest": ("m1", "r1", "r2"),
    "CredentialResponse": ("b",),
    "Presentation1": ("a", "r", "z", "nonce_blinding"),
    "Presentation2": ("a", "r", "z", "nonce_blinding"),
}
_PROOFS = {"CredentialRequest": 4, "CredentialResponse": 7, "Presentation1": 8, "Presentation2": 8}


def test_every_value_is_replayed_or_drawn() -> None:
    whole = vectors.shared("privacypass/arc-allVectors.json")
    assert set(whole) == {"ARCV1-P256"}
    parts = whole["ARCV1-P256"]
    assert set(parts) == set(REPLAYED)
    for part, names in REPLAYED.items():
        hashed = {"m2"} if part == "CredentialRequest" else set()
        assert set(parts[part]) == names | set(DRAWN.get(part, ())) | hashed


def test_what_is_drawn_is_what_the_vectors_say() -> None:
    parts = vectors.shared("privacypass/arc-allVectors.json")["ARCV1-P256"]
    stream = VectorStream()
    stream.secrets(4)  # the key's
    for part, names in DRAWN.items():
        assert [one.hex() for one in stream.secrets(len(names))] == [parts[part][name] for name in names]
        stream.blindings(_PROOFS[part])


def test_the_request_context_is_hashed_to_the_attribute_of_the_vectors() -> None:
    request = vectors.shared("privacypass/arc-allVectors.json")["ARCV1-P256"]["CredentialRequest"]
    m2 = suite.hash_request_context(bytes.fromhex(request["request_context"]))
    assert suite.GROUP.encode_scalar(m2).hex() == request["m2"]
