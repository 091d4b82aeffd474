"""R5: what metrics are called, and that no label has a value which was not declared."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

import issuer.meters
import relay.meters
from gateway.observe import Observations
from tacita.service.metrics import Metrics

LABELS = {"reason", "status", "event", "result", "le"}


def families(metrics: Metrics) -> dict[str, dict[str, set[str]]]:
    """Return the values of each label of each metric."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        labels = found.setdefault(family.name, {})
        for sample in family.samples:
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def test_every_series_is_there_from_the_start() -> None:
    metrics = Metrics("relay")
    metrics.reasons("refused_total", "Refusals.", "reason", ("too_long", "too_slow"))
    metrics.counter("all_total", "All.")
    assert families(metrics)["tacita_relay_refused"] == {"reason": {"too_long", "too_slow"}}


def test_a_value_that_was_not_declared_is_our_own_mistake() -> None:
    metrics = Metrics("relay")
    reasons = metrics.reasons("refused_total", "Refusals.", "reason", ("too_long",))
    before = metrics.render()
    with pytest.raises(KeyError):
        reasons.inc("canary")
    assert metrics.render().replace(b"\n", b"").count(b"canary") == 0
    reasons.inc("too_long", 3)
    assert b'refused_total{reason="too_long"} 3.0' in metrics.render()
    assert before != metrics.render()


def test_the_same_name_twice_is_our_own_mistake() -> None:
    metrics = Metrics("relay")
    metrics.gauge("open", "Open.")
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.counter("open", "Open.")


def test_two_roles_in_one_process_do_not_meet() -> None:
    Metrics("relay").counter("x", "X.")
    Metrics("relay").counter("x", "X.")


@pytest.mark.parametrize(
    ("role", "declare"),
    [("gateway", Observations), ("issuer", issuer.meters.Meters), ("relay", relay.meters.Meters)],
)
def test_the_roles_metrics_have_reasons_and_buckets_and_no_person(role: str, declare: type) -> None:
    metrics = Metrics(role)
    declare(metrics)
    for name, labels in families(metrics).items():
        assert name.startswith((f"tacita_{role}_", "process_"))
        assert set(labels) <= LABELS
        for value in set().union(*labels.values()):
            assert len(value) < 32
