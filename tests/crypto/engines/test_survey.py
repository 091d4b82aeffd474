"""What `tacita-issuer --engines` prints: every engine, measured or with the reason why not."""

from itertools import count

import pytest
from support import rsa

from tacita.crypto.engines import gmp, survey
from tacita.crypto.engines.survey import BATCH, ENGINES, EngineReport, measure
from tacita.crypto.signer import SigningUnavailable, best_signer


def test_measures_what_signs() -> None:
    reports = survey.survey(private_key=rsa.private_key(), seconds=0.05)
    assert [report.name for report in reports] == list(ENGINES)
    for report in reports:
        if report.per_second is None:
            assert report.missing.endswith(".")
        else:
            assert report.per_second > 0


def test_makes_a_key_of_its_own() -> None:
    assert all(report.per_second or report.missing for report in survey.survey(seconds=0.01))


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmp, "gmpy2", None)
    found = {report.name: report for report in survey.survey(private_key=rsa.private_key(), seconds=0.01)}
    assert found["gmp"] == EngineReport("gmp", None, "gmpy2 is not installed; install the extra `issuer`.")


def test_the_order_is_that_of_the_choice() -> None:
    for engine in ENGINES.values():
        try:
            first = engine(rsa.private_key())
        except SigningUnavailable:
            continue
        assert type(best_signer(rsa.private_key())) is type(first)
        return
    pytest.fail("no engine here can sign")


def test_counts_by_its_clock() -> None:
    ticks = count()
    # Each look at the clock is one second later: two batches fit between 0 and 3.
    assert measure(best_signer(rsa.private_key()), seconds=3.0, clock=lambda: next(ticks)) == 2 * BATCH / 3
