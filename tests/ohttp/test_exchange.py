"""The intermediate values that both appendices print."""

import pytest
from support import vectors
from support.ohttp_keys import gateway_key

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey, RecipientSetup, Suite, kdf
from tacita.ohttp.errors import NoUsableKey
from tacita.ohttp.exchange import CHUNKED, ONE_SHOT, Labels, ResponseSecret, header, start


@pytest.mark.parametrize(("name", "labels"), [("rfc9458.json", ONE_SHOT), ("chunked_ohttp_08.json", CHUNKED)])
def test_intermediate_values(name: str, labels: Labels) -> None:
    vector = vectors.own(name)
    response = vector["response"]
    suite = Suite(Kem(vector["suite"]["kem"]), Kdf(vector["suite"]["kdf"]), Aead(vector["suite"]["aead"]))
    info = labels.info(header(1, suite))
    assert info.hex() == vector["client"]["info"]
    enc = bytes.fromhex(vector["client"]["enc"])
    private_key = PrivateKey.from_bytes(suite.kem, bytes.fromhex(vector["gateway"]["secret_key"]))
    context = RecipientSetup(suite, private_key, info).open(enc)
    secret = context.export(labels.response, 16)
    assert secret.hex() == response["exported_secret"]
    nonce = bytes.fromhex(response["nonce"])
    assert (enc + nonce).hex() == response["salt"]
    prk = kdf.SHA256.extract(enc + nonce, secret)
    assert prk.hex() == response["prk"]
    assert kdf.SHA256.expand(prk, b"key", 16).hex() == response["key"]
    assert ResponseSecret.of(context, enc, labels).derive(nonce).nonce.hex() == response["aead_nonce"]


@pytest.mark.parametrize("aead", Aead)
def test_response_nonce_is_as_long_as_the_longer_of_key_and_nonce(aead: Aead) -> None:
    secret = start(gateway_key(aeads=(aead,)).config, ONE_SHOT, None, None).secret
    assert secret.nonce_size == max(12, aead.n_k)
    for size in {0, 12, 16, 31, 33} - {secret.nonce_size}:
        with pytest.raises(ValueError, match="response nonce"):
            secret.derive(bytes(size))


def test_only_offered_suites_are_used() -> None:
    config = gateway_key(aeads=(Aead.AES_128_GCM,)).config
    for suite in (
        Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_256_GCM),
        Suite(Kem.P256, Kdf.HKDF_SHA256, Aead.AES_128_GCM),
    ):
        with pytest.raises(NoUsableKey):
            start(config, ONE_SHOT, suite, None)
