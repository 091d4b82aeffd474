"""When the generator, and not the target, was the limit."""

from dataclasses import dataclass

import pytest

from loadtest.analysis.diagnosis import generator_limit
from loadtest.analysis.report import Generator


@dataclass(frozen=True)
class Case:
    busy: float = 0.3
    late: float = 0.0001
    idle: float = 0.5
    p99: float = 0.02
    local: bool = True
    offered: bool = True


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (Case(), ""),
        (Case(busy=0.95), "--processes"),
        (Case(late=0.02), "lower the rate"),
        # It adds nothing to latencies of seconds, and a closed loop has no moments to be late for.
        (Case(late=0.02, p99=5.0), ""),
        (Case(late=0.02, offered=False), ""),
        (Case(idle=0.01), "machine was the limit"),
        (Case(idle=0.01, local=False), ""),
    ],
)
def test_what_is_said_of_the_generator(case: Case, words: str) -> None:
    generator = Generator(1, case.busy, case.busy, 0.0, case.late, case.late, 0, case.idle)
    said = generator_limit(generator, case.p99, local=case.local, offered=case.offered)
    assert words in said
    assert bool(said) == bool(words)
    assert not said or said.endswith(".")
