"""What can be sent: each scenario, where its requests go, what they are made of, and what answers one.

| scenario | goes to | is | answered by |
|---|---|---|---|
| issue | issuer | a batch of blinded tokens, each new | the whole batch, signed |
| relay | relay | a sealed request without a token | 401 inside: the cheapest answer of a gateway |
| gateway | gateway | a sealed request with a token | the target, 2xx inside |
| ask | relay | the same | the same |
| stream | relay | a chunked request with a token | a stream of events to its end |
| mixed | | shares of the others | |
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["MIXED", "SCENARIOS", "Kind", "Scenario"]

Kind = Literal["batch", "bare", "oneshot", "chunked"]
"""What is prepared: batches of token requests; sealed requests without a token, with one, in chunks."""

MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request to one party."""

    name: str
    kind: Kind
    party: Literal["issuer", "relay", "gateway"]
    wanted: int
    """The status, inside where there is an inside, that makes an answer a good one."""

    @property
    def costs_token(self) -> bool:
        """Whether a request spends a token."""
        return self.kind in ("oneshot", "chunked")


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("issue", "batch", "issuer", 200),
        Scenario("relay", "bare", "relay", 401),
        Scenario("gateway", "oneshot", "gateway", 200),
        Scenario("ask", "oneshot", "relay", 200),
        Scenario("stream", "chunked", "relay", 200),
    )
}
