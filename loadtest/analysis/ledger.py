"""The account of a run: every request and every token, each in exactly one column.

Requests: `started` = `answered` + `inside` + `outside` + `burnt` + `unsent` + `lost`
(`loadtest.client.outcomes` defines the first five).

Tokens: `taken` out of files = the sum of

- `spent`: went with a request that was answered, or refused inside by the target itself;
- `given_back`: the gateway says, authentic, that the target failed (500, 502, 503): by its rules the
  token is good again, for the identical request only, which the tool does not send a second time;
- `refused`: the gateway says, authentic, that it does not take the token (401): never of a fresh one;
- `burnt`: nobody can prove what became of it (refused outside, broken off, too late);
- `unseen`: never left this machine, and is not used again either;
- `returned`: not used, and back in its file;
- `lost`: none of these. Zero, unless a load process was killed.
"""

from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["Requests", "Tokens", "category", "requests", "tokens"]

_GIVEN_BACK = frozenset({"500", "502", "503"})


class Requests(msgspec.Struct, frozen=True):
    """The account of requests."""

    started: int = 0
    answered: int = 0
    inside: int = 0
    outside: int = 0
    burnt: int = 0
    unsent: int = 0

    @property
    def lost(self) -> int:
        """What is in no column; negative would be a request that ended twice."""
        return self.started - self.answered - self.inside - self.outside - self.burnt - self.unsent

    @property
    def failed(self) -> int:
        """Everything but the answered ones."""
        return self.started - self.answered


class Tokens(msgspec.Struct, frozen=True):
    """The account of tokens."""

    taken: int = 0
    spent: int = 0
    given_back: int = 0
    refused: int = 0
    burnt: int = 0
    unseen: int = 0
    returned: int = 0

    @property
    def lost(self) -> int:
        """What is in no column."""
        told = self.spent + self.given_back + self.refused + self.burnt + self.unseen + self.returned
        return self.taken - told


def category(outcome: str) -> str:
    """Return the column of `outcome`."""
    return outcome.partition(":")[0]


def requests(started: int, outcomes: Mapping[str, int]) -> Requests:
    """Return the account of `started` requests that ended in `outcomes`."""
    columns = dict.fromkeys(("answered", "inside", "outside", "burnt", "unsent"), 0)
    for outcome, times in outcomes.items():
        columns[category(outcome)] += times
    return Requests(started, **columns)


def tokens(taken: int, returned: int, outcomes: Iterable[tuple[str, int]]) -> Tokens:
    """Return the account of `taken` tokens, `returned` of them are back, and the rest has `outcomes`."""
    columns = dict.fromkeys(("spent", "given_back", "refused", "burnt", "unseen"), 0)
    for outcome, times in outcomes:
        columns[_column(outcome)] += times
    return Tokens(taken, returned=returned, **columns)


def _column(outcome: str) -> str:
    name, _, reason = outcome.partition(":")
    if name == "inside":
        if reason == "401":
            return "refused"
        return "given_back" if reason in _GIVEN_BACK else "spent"
    return {"answered": "spent", "unsent": "unseen"}.get(name, "burnt")
