"""Reads everything that the roles wrote in a run full of secrets and errors (R4 of the requirements).

What may stand where is listed in `ALLOWED`, place by place; everything else may stand nowhere.
"""

from fnmatch import fnmatch

import pytest
from support.scene import ROLES, Evidence

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("scene")]

ALLOWED = {
    # Spending needs to know which tokens were spent, by their nonces, and needs no more of them.
    ("gateway", "*:gateway/spent.sqlite*"): {"spent nonce"},
    # The operator's list of accounts. Of the API key it holds the digest alone.
    ("issuer", "*:issuer/accounts.json"): {"account", "account id"},
}

SECRETS = {
    "prompt",
    "answer",
    "stray",
    "authenticator",
    "spent nonce",
    "unspent nonce",
    "account",
    "account id",
    "API key",
    "address",
}


def allowed(role: str, place: str) -> set[str]:
    return set().union(
        *(what for (who, where), what in ALLOWED.items() if who == role and fnmatch(place, where))
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_nothing_that_it_must_not(evidence: Evidence, role: str) -> None:
    written = evidence.written[role]
    found = {place: evidence.canaries.in_bytes(content) for place, content in written.items()}
    leaks = {place: names - allowed(role, place) for place, names in found.items()}
    assert not {place: names for place, names in leaks.items() if names}


def test_every_secret_was_looked_for(evidence: Evidence) -> None:
    assert evidence.canaries.names == SECRETS


def test_what_may_be_there_is_found_there(evidence: Evidence) -> None:
    """Shows that the search reads the real files of real roles, while they run and afterwards."""
    for (role, place), names in ALLOWED.items():
        for when in ("live", "after"):
            where = [one for one in evidence.written[role] if fnmatch(one, place) and one.startswith(when)]
            found = set().union(*(evidence.canaries.in_bytes(evidence.written[role][one]) for one in where))
            assert found == names


def test_every_spent_token_has_its_nonce_in_the_store(evidence: Evidence) -> None:
    store = b"".join(content for place, content in evidence.written["gateway"].items() if "after" in place)
    assert all(token.nonce in store for token in evidence.spent)


def test_every_role_has_output_files_and_metrics(evidence: Evidence) -> None:
    for role in ROLES:
        written = evidence.written[role]
        for when in ("live", "after"):
            assert f"{when}:{role}/stdout" in written
            assert b'"event":"ready"' in written[f"{when}:{role}/stderr"]
        assert f"tacita_{'relay' if role == 'mirror' else role}_".encode() in written["/metrics"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_file_elsewhere(evidence: Evidence, role: str) -> None:
    own = evidence.own_folders[role]
    assert evidence.open_files[role], "no output file is open: the list is not one of this role"
    assert not [
        path for path in evidence.open_files[role] if not any(path.is_relative_to(folder) for folder in own)
    ]


@pytest.mark.parametrize(
    ("role", "series"),
    [
        ("relay", 'exchanges_total{result="media_type"}'),
        ("relay", 'exchanges_total{result="gateway_refused"}'),
        ("relay", 'exchanges_total{result="too_long"}'),
        ("relay", 'exchanges_total{result="answered"}'),
        ("gateway", 'undecryptable_total{reason="unknown_key"}'),
        ("gateway", 'undecryptable_total{reason="undecryptable"}'),
        ("gateway", 'refused_outside_total{status="415"}'),
        ("gateway", 'tokens_total{event="invalid"}'),
        ("gateway", 'tokens_total{event="spent"}'),
        ("gateway", 'tokens_total{event="missing"}'),
        ("gateway", 'tokens_total{event="released"}'),
        ("gateway", 'answers_total{status="400"}'),
        ("gateway", 'answers_total{status="403"}'),
        ("gateway", 'answers_total{status="5xx"}'),
        ("gateway", "truncated_total"),
        ("node", 'requests_total{result="refused"}'),
        ("node", 'requests_total{result="answered"}'),
    ],
)
def test_the_errors_have_happened(evidence: Evidence, role: str, series: str) -> None:
    prefix = f"tacita_{role}_{series} "
    values = [line for line in evidence.metrics[role].decode().splitlines() if line.startswith(prefix)]
    assert values, f"there is no series {prefix}"
    assert float(values[0].removeprefix(prefix)) > 0
