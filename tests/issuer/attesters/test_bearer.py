import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from issuer.attesters.bearer import bearer_credential
from issuer.errors import AttestationRefused, CredentialMissing, CredentialRefused


def test_a_credential() -> None:
    for value in ("Bearer abc", "bearer  abc ", "BEARER abc"):
        assert bearer_credential(CIMultiDict({"authorization": value}), longest=3) == "abc"


@pytest.mark.parametrize("values", [["Bearer abcd"], ["Bearer "], ["abc"], ["Bearer é"], ["Bearer abc"] * 2])
def test_what_is_none(values: list[str]) -> None:
    with pytest.raises(CredentialRefused):
        bearer_credential(CIMultiDict([("Authorization", value) for value in values]), longest=3)
    with pytest.raises(CredentialMissing):
        bearer_credential(CIMultiDict(), longest=3)


@given(st.lists(st.text()))
def test_garbage_is_read_or_refused(values: list[str]) -> None:
    try:
        credential = bearer_credential(
            CIMultiDict([("Authorization", value) for value in values]), longest=10
        )
    except AttestationRefused:
        return
    assert 0 < len(credential) <= 10
    assert credential.isascii()
