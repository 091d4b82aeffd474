"""Issuing credentials: the draft's vectors byte for byte, and both sides when the other one cheats."""

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors
from support.arc import VectorStream
from support.tape import Tape

from tacita.crypto.arc import (
    ClientSecrets,
    Credential,
    CredentialRequest,
    CredentialResponse,
    InvalidProof,
    PrivateKey,
    PublicKey,
    finalize,
    request_credential,
    require_proof,
    respond,
)
from tacita.crypto.arc.issuance import REQUEST_LENGTH, RESPONSE_LENGTH
from tacita.crypto.groups.errors import ElementMalformed, ScalarMalformed
from tacita.errors import DecodeError, TacitaError

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CONTEXT = b"request context"


def test_the_vectors() -> None:
    suite = vectors.shared("privacypass/arc-allVectors.json")["ARCV1-P256"]
    stream = VectorStream()

    def expect(encoded: bytes, part: str, *names: str) -> None:
        assert encoded.hex() == "".join(suite[part][name] for name in names)

    key = PrivateKey.generate(rng=Tape(*stream.secrets(4)))
    expect(key.to_bytes(), "ServerKey", "x0", "x1", "x2", "xb")
    expect(key.public_key.to_bytes(), "ServerKey", "X0", "X1", "X2")

    tape = Tape(*stream.secrets(3), *stream.blindings(4))
    context = bytes.fromhex(suite["CredentialRequest"]["request_context"])
    request, secrets = request_credential(context, rng=tape)
    tape.finish()
    expect(request.encode(), "CredentialRequest", "m1_enc", "m2_enc", "proof")
    assert CredentialRequest.decode(request.encode()) == request

    tape = Tape(*stream.secrets(1), *stream.blindings(7))
    response = respond(key, request, rng=tape)
    tape.finish()
    elements = ("U", "enc_U_prime", "X0_aux", "X1_aux", "X2_aux", "H_aux")
    expect(response.encode(), "CredentialResponse", *elements, "proof")
    assert CredentialResponse.decode(response.encode()) == response

    credential = finalize(secrets, key.public_key, request, response)
    expect(credential.encode(), "Credential", "m1", "U", "U_prime", "X1")
    assert Credential.decode(credential.encode()).encode() == credential.encode()


@pytest.fixture(name="key", scope="module")
def a_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(name="exchange", scope="module")
def an_exchange(key: PrivateKey) -> tuple[ClientSecrets, CredentialRequest, CredentialResponse]:
    request, secrets = request_credential(CONTEXT)
    return secrets, request, respond(key, request)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


class TestTheIssuer:
    @pytest.mark.parametrize("place", [0, 33, *range(66 + 31, REQUEST_LENGTH, 32)])
    def test_refuses_a_request_of_which_any_part_was_changed(
        self, key: PrivateKey, exchange: tuple[ClientSecrets, CredentialRequest, object], place: int
    ) -> None:
        # Byte 0 of an element is its sign, so that what results is an element, too.
        request = CredentialRequest.decode(flipped(exchange[1].encode(), place))
        with pytest.raises(InvalidProof):
            require_proof(request)
        with pytest.raises(InvalidProof):
            respond(key, request)

    def test_refuses_the_same_element_twice(
        self, exchange: tuple[ClientSecrets, CredentialRequest, object]
    ) -> None:
        request = exchange[1]
        with pytest.raises(InvalidProof):
            require_proof(CredentialRequest(request.m1_enc, request.m1_enc, request.proof))

    def test_refuses_a_proof_of_another_length(
        self, exchange: tuple[ClientSecrets, CredentialRequest, object]
    ) -> None:
        request = exchange[1]
        for proof in (b"", request.proof[:-32], request.proof + bytes(32), request.proof[:-1]):
            with pytest.raises(InvalidProof):
                require_proof(CredentialRequest(request.m1_enc, request.m2_enc, proof))

    def test_refuses_a_proof_that_comes_to_the_identity(
        self, exchange: tuple[ClientSecrets, CredentialRequest, object]
    ) -> None:
        request = exchange[1]
        with pytest.raises(InvalidProof):
            require_proof(CredentialRequest(request.m1_enc, request.m2_enc, bytes(5 * 32)))


class TestTheClient:
    @pytest.mark.parametrize("place", [*range(0, 6 * 33, 33), *range(6 * 33 + 31, RESPONSE_LENGTH, 32)])
    def test_refuses_an_answer_of_which_any_part_was_changed(
        self,
        key: PrivateKey,
        exchange: tuple[ClientSecrets, CredentialRequest, CredentialResponse],
        place: int,
    ) -> None:
        secrets, request, response = exchange
        marked = CredentialResponse.decode(flipped(response.encode(), place))
        with pytest.raises(InvalidProof):
            finalize(secrets, key.public_key, request, marked)

    def test_refuses_another_key_and_the_answer_to_another_request(
        self, key: PrivateKey, exchange: tuple[ClientSecrets, CredentialRequest, CredentialResponse]
    ) -> None:
        secrets, request, response = exchange
        with pytest.raises(InvalidProof):
            finalize(secrets, PrivateKey.generate().public_key, request, response)
        with pytest.raises(InvalidProof):
            finalize(secrets, key.public_key, request, respond(PrivateKey.generate(), request))
        other, _ = request_credential(CONTEXT)
        with pytest.raises(InvalidProof):
            finalize(secrets, key.public_key, request, respond(key, other))

    def test_requests_share_nothing(self) -> None:
        one, other = (request_credential(CONTEXT)[0] for _ in range(2))
        assert one.m1_enc != other.m1_enc
        assert one.m2_enc != other.m2_enc


DECODERS: list[tuple[Callable[[bytes], object], int, int]] = [
    (PublicKey.from_bytes, 3, 0),
    (CredentialRequest.decode, 2, 5),
    (CredentialResponse.decode, 6, 8),
]


@pytest.mark.parametrize(("decode", "elements", "scalars"), DECODERS)
class TestDecoding:
    def test_refuses_the_identity_and_what_is_no_element(
        self, key: PrivateKey, decode: Callable[[bytes], object], elements: int, scalars: int
    ) -> None:
        good = key.public_key.x0.encoding
        tail = bytes(32 * scalars)
        decode(good * elements + tail)
        for place in range(elements):
            before, after = good * place, good * (elements - 1 - place) + tail
            # Infinity padded, an uncompressed form, and an x that is not below the field's prime.
            for wrong in (bytes(33), b"\4" + good[1:], b"\2" + b"\xff" * 32):
                with pytest.raises(ElementMalformed):
                    decode(before + wrong + after)
            with pytest.raises(DecodeError):
                decode(before + b"\0" + after)

    def test_refuses_scalars_of_the_order_and_above(
        self, key: PrivateKey, decode: Callable[[bytes], object], elements: int, scalars: int
    ) -> None:
        head = key.public_key.x0.encoding * elements
        for place in range(scalars):
            for wrong in (ORDER, ORDER + 1, 2**256 - 1):
                encoded = wrong.to_bytes(32, "big")
                with pytest.raises(ScalarMalformed):
                    decode(head + bytes(32 * place) + encoded + bytes(32 * (scalars - 1 - place)))

    def test_refuses_other_lengths(
        self, key: PrivateKey, decode: Callable[[bytes], object], elements: int, scalars: int
    ) -> None:
        good = key.public_key.x0.encoding * elements + bytes(32 * scalars)
        for wrong in (b"", good[:-1], good + b"\0", good[:33]):
            with pytest.raises(DecodeError):
                decode(wrong)


def test_secrets_do_not_print(
    exchange: tuple[ClientSecrets, CredentialRequest, CredentialResponse], key: PrivateKey
) -> None:
    secrets, request, response = exchange
    printed = repr((*exchange, finalize(secrets, key.public_key, request, response)))
    for secret in (request.m1_enc.encoding, request.proof, response.u.encoding, response.proof):
        assert secret.hex() not in printed
        assert repr(secret) not in printed


@pytest.mark.parametrize(("decode", "elements", "scalars"), [*DECODERS, (Credential.decode, 3, 1)])
@given(data=st.data())
def test_what_is_read_is_written_again(
    decode: Callable[[bytes], CredentialRequest], elements: int, scalars: int, data: st.DataObject
) -> None:
    length = 33 * elements + 32 * scalars
    body = data.draw(st.binary(max_size=length + 1) | st.binary(min_size=length, max_size=length))
    try:
        value = decode(body)
    except TacitaError:
        return
    assert value.encode() == body


@given(seed=st.binary(min_size=16, max_size=16))
def test_any_context_is_issued_for(seed: bytes) -> None:
    key = PrivateKey.generate()
    request, secrets = request_credential(seed * 40, rng=os.urandom)
    credential = finalize(secrets, key.public_key, request, respond(key, request))
    assert credential.x1 == key.public_key.x1
