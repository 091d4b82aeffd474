"""Presenting credentials: the draft's vectors, the limit, the tag, and proofs that were tampered with."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import vectors
from support.arc import VectorStream
from support.tape import Tape

from tacita.crypto.arc import (
    Credential,
    InvalidProof,
    LimitOutOfRange,
    LimitReached,
    Presentation,
    PresentationMalformed,
    PrivateKey,
    finalize,
    present,
    request_credential,
    respond,
    sigma,
    suite,
    verify,
)
from tacita.crypto.arc.presentation import is_length, presentation_length
from tacita.crypto.groups.errors import ElementMalformed, ScalarMalformed
from tacita.errors import TacitaError

REQUEST, EPOCH = b"request context", b"epoch 1"
LIMIT = 5


def issued(key: PrivateKey) -> Credential:
    request, secrets = request_credential(REQUEST)
    return finalize(secrets, key.public_key, request, respond(key, request))


@pytest.fixture(name="key", scope="module")
def a_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(name="credential", scope="module")
def a_credential(key: PrivateKey) -> Credential:
    return issued(key)


@pytest.fixture(name="presentation", scope="module")
def a_presentation(credential: Credential) -> Presentation:
    return present(credential, EPOCH, 3, LIMIT)


def test_the_vectors() -> None:
    values = vectors.shared("privacypass/arc-allVectors.json")["ARCV1-P256"]
    stream = VectorStream()
    stream.secrets(4)  # the key's, then the request's and the response's
    stream.secrets(3), stream.blindings(4)
    stream.secrets(1), stream.blindings(7)
    server, credential = values["ServerKey"], values["Credential"]
    key = PrivateKey.from_bytes(bytes.fromhex("".join(server[name] for name in ("x0", "x1", "x2", "xb"))))
    mine = Credential.decode(
        bytes.fromhex("".join(credential[name] for name in ("m1", "U", "U_prime", "X1")))
    )
    request_context = bytes.fromhex(values["CredentialRequest"]["request_context"])
    for nonce, part in enumerate(("Presentation1", "Presentation2")):
        vector = values[part]
        assert int(vector["nonce"], 16) == nonce
        context = bytes.fromhex(vector["presentation_context"])
        tape = Tape(*stream.secrets(4), *stream.blindings(8))
        presentation = present(mine, context, nonce, 2, rng=tape)
        tape.finish()
        names = ("U", "U_prime_commit", "m1_commit", "tag", "nonce_commit", "proof")
        assert presentation.encode().hex() == "".join(vector[name] for name in names)
        assert [one.encoding.hex() for one in presentation.digit_commits] == [vector["D_0"]]
        again = Presentation.decode(presentation.encode())
        assert again == presentation
        assert verify(key, request_context, context, again, 2) is again


@pytest.mark.parametrize("limit", [2, 3, 4, 5, 8, 9, 100, 2**16 + 1, 2**32 - 1])
def test_the_first_and_last_nonce_of_any_limit(key: PrivateKey, credential: Credential, limit: int) -> None:
    for nonce in (0, limit - 1):
        presentation = present(credential, EPOCH, nonce, limit)
        assert len(presentation.encode()) == presentation_length(limit)
        assert verify(key, REQUEST, EPOCH, Presentation.decode(presentation.encode()), limit) == presentation


@pytest.mark.parametrize("limit", [2, 3, 6, 7])
def test_every_nonce_below_the_limit_has_a_tag_of_its_own(
    key: PrivateKey, credential: Credential, limit: int
) -> None:
    shown = [present(credential, EPOCH, nonce, limit) for nonce in range(limit)]
    assert len({verify(key, REQUEST, EPOCH, one, limit).tag for one in shown}) == limit


class TestTheLimit:
    def test_no_nonce_at_it_or_below_zero(self, credential: Credential) -> None:
        for nonce in (LIMIT, LIMIT + 1, 2**40, -1):
            with pytest.raises(LimitReached):
                present(credential, EPOCH, nonce, LIMIT)

    @pytest.mark.parametrize("limit", [1, 2**32, 2**64])
    def test_only_limits_that_have_a_proof(
        self, key: PrivateKey, credential: Credential, presentation: Presentation, limit: int
    ) -> None:
        with pytest.raises(LimitOutOfRange):
            present(credential, EPOCH, 0, limit)
        with pytest.raises(LimitOutOfRange):
            verify(key, REQUEST, EPOCH, presentation, limit)

    @pytest.mark.parametrize("limit", [2, 4, 6, 7, 8, 9, 1000])
    def test_both_sides_need_the_same(self, key: PrivateKey, presentation: Presentation, limit: int) -> None:
        # 6, 7 and 8 have as many bases as 5, but other ones.
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, presentation, limit)

    def test_a_commitment_to_more_does_not_add_up(self, key: PrivateKey, presentation: Presentation) -> None:
        """What a client would do that wants one more: shift the nonce, and the sum with it."""
        more = suite.GROUP.add(presentation.nonce_commit, suite.GROUP.generator)
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, replace(presentation, nonce_commit=more), LIMIT)
        last = suite.GROUP.add(presentation.digit_commits[-1], suite.GROUP.generator)
        digits = (*presentation.digit_commits[:-1], last)
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, replace(presentation, nonce_commit=more, digit_commits=digits), LIMIT)

    def test_a_digit_of_two_has_no_proof(
        self, key: PrivateKey, credential: Credential, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client rewritten to show nonce 5 below limit 5: twice the first of the bases 2, 1, 1, and 1."""
        from tacita.crypto.arc import presentation as module
        from tacita.crypto.arc import range_proof

        def cheat(nonce: int, limit: int, blinding: suite.Scalar, rng: object) -> object:
            digits = [2, 1, 0]
            group = suite.GROUP
            one, two = (group.random_scalar(Tape(bytes(31) + bytes((n,)))) for n in (7, 9))
            last = group.subtract_scalars(
                group.subtract_scalars(blinding, group.multiply_scalars(suite.scalar(2), one)), two
            )
            blindings = [one, two, last]
            commits = [suite.commit(d, b) for d, b in zip(digits, blindings, strict=True)]
            minus = suite.negate(suite.scalar(1))
            # For D = bD + sH, the cheat's best guess for b = 2 is (1 - b)s = -s.
            products = [
                group.multiply_scalars(factor, b)
                for factor, b in zip((minus, suite.scalar(0), suite.scalar(1)), blindings, strict=True)
            ]
            return commits, [*(suite.scalar(d) for d in digits), *blindings, *products]

        monkeypatch.setattr(range_proof, "decompose", cheat)
        forged = module.present(credential, EPOCH, 5, 6)  # the proof is made for three bases, as limit 5 has
        monkeypatch.undo()
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, forged, LIMIT)


class TestTheTag:
    def test_it_is_the_same_for_the_same_nonce(self, credential: Credential) -> None:
        one, other = (present(credential, EPOCH, 2, LIMIT) for _ in range(2))
        assert one.tag == other.tag
        assert present(credential, EPOCH, 2, 2 * LIMIT).tag == one.tag
        again = Credential.decode(credential.encode())
        assert present(again, EPOCH, 2, LIMIT).tag == one.tag

    def test_nothing_else_is(self, credential: Credential) -> None:
        one, other = (present(credential, EPOCH, 2, LIMIT) for _ in range(2))
        for name in ("u", "u_prime_commit", "m1_commit", "nonce_commit", "proof"):
            assert getattr(one, name) != getattr(other, name)
        assert not set(one.digit_commits) & set(other.digit_commits)

    def test_it_is_another_for_any_other_nonce_context_or_credential(
        self, key: PrivateKey, credential: Credential
    ) -> None:
        tags = {
            present(which, context, nonce, LIMIT).tag
            for which in (credential, issued(key))
            for context in (EPOCH, b"epoch 2", b"")
            for nonce in range(LIMIT)
        }
        assert len(tags) == 2 * 3 * LIMIT


class TestVerification:
    def test_needs_the_key_and_both_contexts(self, key: PrivateKey, presentation: Presentation) -> None:
        verify(key, REQUEST, EPOCH, presentation, LIMIT)
        with pytest.raises(InvalidProof):
            verify(PrivateKey.generate(), REQUEST, EPOCH, presentation, LIMIT)
        with pytest.raises(InvalidProof):
            verify(key, b"another", EPOCH, presentation, LIMIT)
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, b"epoch 2", presentation, LIMIT)

    def test_refuses_a_credential_that_nobody_issued(self, key: PrivateKey, credential: Credential) -> None:
        group = suite.GROUP
        for forged in (
            replace(credential, m1=group.add_scalars(credential.m1, suite.scalar(1))),
            replace(credential, u=group.add(credential.u, group.generator)),
            replace(credential, u_prime=group.add(credential.u_prime, group.generator)),
            replace(credential, x1=key.public_key.x2),
            issued(PrivateKey.generate()),
        ):
            with pytest.raises(InvalidProof):
                verify(key, REQUEST, EPOCH, present(forged, EPOCH, 0, LIMIT), LIMIT)

    def test_refuses_any_part_that_was_changed(self, key: PrivateKey, presentation: Presentation) -> None:
        data = presentation.encode()
        elements = 5 + len(presentation.digit_commits)
        places = [33 * number for number in range(elements)]
        places += range(33 * elements + 31, len(data), 32)
        for place in places:
            changed = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
            with pytest.raises(InvalidProof):
                verify(key, REQUEST, EPOCH, Presentation.decode(changed), LIMIT)

    def test_refuses_parts_of_two_presentations(
        self, key: PrivateKey, credential: Credential, presentation: Presentation
    ) -> None:
        other = present(credential, EPOCH, 4, LIMIT)
        names = ("u", "u_prime_commit", "m1_commit", "tag", "nonce_commit", "digit_commits", "proof")
        for name in names:
            with pytest.raises(InvalidProof):
                verify(key, REQUEST, EPOCH, replace(presentation, **{name: getattr(other, name)}), LIMIT)

    def test_refuses_elements_that_repeat(self, key: PrivateKey, presentation: Presentation) -> None:
        for changed in (
            replace(presentation, m1_commit=presentation.u),
            replace(presentation, tag=suite.GROUP.generator),
            replace(presentation, u=key.public_key.x1),
        ):
            with pytest.raises(InvalidProof):
                verify(key, REQUEST, EPOCH, changed, LIMIT)

    def test_refuses_what_comes_to_the_identity(self, key: PrivateKey, presentation: Presentation) -> None:
        proof = bytes(len(presentation.proof))
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, replace(presentation, proof=proof), LIMIT)
        group = suite.GROUP
        m2 = suite.hash_request_context(REQUEST)
        factor = group.add_scalars(key.x0, group.multiply_scalars(key.x2, m2))
        mac = group.add(
            group.multiply(factor, presentation.u), group.multiply(key.x1, presentation.m1_commit)
        )
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, replace(presentation, u_prime_commit=mac), LIMIT)
        digits = tuple(
            group.multiply(factor, group.generator)
            for factor in (suite.negate(suite.scalar(1)), suite.scalar(1), suite.scalar(1))
        )
        with pytest.raises(InvalidProof):
            verify(key, REQUEST, EPOCH, replace(presentation, digit_commits=digits), LIMIT)

    def test_a_proof_is_for_its_session_only(self, presentation: Presentation) -> None:
        relation = sigma.Relation()
        (x,) = relation.scalars(1)
        base, product = relation.elements(suite.GROUP.generator, presentation.u)
        relation.equate(product, (x, base))
        with pytest.raises(InvalidProof):
            sigma.verify(relation, suite.SESSION_REQUEST, presentation.proof[:64])


class TestDecoding:
    def test_refuses_the_identity_and_scalars_too_large(self, presentation: Presentation) -> None:
        data = presentation.encode()
        elements = 33 * (5 + len(presentation.digit_commits))
        for place in range(0, elements, 33):
            for wrong in (bytes(33), b"\4" + data[place + 1 : place + 33], b"\3" + b"\xff" * 32):
                with pytest.raises(ElementMalformed):
                    Presentation.decode(data[:place] + wrong + data[place + 33 :])
        for place in range(elements, len(data), 32):
            with pytest.raises(ScalarMalformed):
                Presentation.decode(data[:place] + b"\xff" * 32 + data[place + 32 :])

    def test_refuses_lengths_of_no_limit(self, presentation: Presentation) -> None:
        data = presentation.encode()
        for wrong in (b"", data[:-1], data + b"\0", data[:357], data + bytes(129 * 40)):
            assert not is_length(len(wrong))
            with pytest.raises(PresentationMalformed):
                Presentation.decode(wrong)

    @given(data=st.data())
    def test_what_is_read_is_written_again(self, data: st.DataObject) -> None:
        length = 357 + 129 * data.draw(st.integers(0, 3))
        body = data.draw(st.binary(min_size=length, max_size=length) | st.binary(max_size=600))
        try:
            presentation = Presentation.decode(body)
        except TacitaError:
            return
        assert presentation.encode() == body


@settings(max_examples=25, deadline=None)
@given(limit=st.integers(2, 2**32 - 1), data=st.data())
def test_any_nonce_below_any_limit_verifies(
    key: PrivateKey, credential: Credential, limit: int, data: st.DataObject
) -> None:
    nonce = data.draw(st.integers(0, limit - 1))
    assert verify(key, REQUEST, EPOCH, present(credential, EPOCH, nonce, limit), limit)


def test_nothing_prints(presentation: Presentation) -> None:
    assert repr(presentation) == "Presentation()"
