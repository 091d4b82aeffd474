"""The account: whatever happens, each request and each token is in one column."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis import ledger
from loadtest.analysis.diagnosis import findings
from loadtest.client import outcomes

_REASONS = st.sampled_from(
    [
        outcomes.ANSWERED,
        outcomes.inside(401),
        outcomes.inside(400, "date"),
        outcomes.inside(403),
        outcomes.inside(502),
        outcomes.inside(504),
        outcomes.outside(422),
        outcomes.outside(307),
        outcomes.burnt("lost"),
        outcomes.burnt("timeout"),
        outcomes.burnt("cut"),
        outcomes.burnt("foreign"),
        outcomes.unsent("refused"),
        outcomes.unsent("stopped"),
    ]
)
_OUTCOMES = st.dictionaries(_REASONS, st.integers(1, 1000))


@given(_OUTCOMES, st.integers(0, 5), st.integers(0, 100))
def test_columns_add_up(found: dict[str, int], lost: int, returned: int) -> None:
    started = sum(found.values()) + lost
    requests = ledger.requests(started, found)
    assert requests.lost == lost
    tokens = ledger.tokens(started + returned, returned, found.items())
    assert tokens.lost == lost
    assert tokens.spent + tokens.burnt + tokens.refused + tokens.given_back + tokens.unseen == started - lost


def test_what_becomes_of_a_token() -> None:
    found = {
        "answered": 1,
        "inside:504": 1,
        "inside:502": 1,
        "inside:401": 1,
        "outside:502": 1,
        "unsent:refused": 1,
    }
    tokens = ledger.tokens(6, 0, found.items())
    assert (tokens.spent, tokens.given_back, tokens.refused, tokens.burnt, tokens.unseen) == (2, 1, 1, 1, 1)


@given(_OUTCOMES)
def test_each_failure_has_its_sentence(found: dict[str, int]) -> None:
    said = findings(found, sum(found.values()))
    assert len(said) == len([one for one in found if one != outcomes.ANSWERED])
    assert all(sentence.endswith(".") for sentence in said)
