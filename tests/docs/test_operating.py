"""docs/operating.md and the alerts name what is there, all of it, and nothing else; R5 for every role."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.metric_tables import ROLES, families_of, labels_of, series_of, table

import gateway.app
import issuer.app
import node.app
import relay.app
from tacita.service.families import Family
from tacita.service.logs import COMMON_EVENTS, Value

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENT = (_ROOT / "docs" / "operating.md").read_text()
_ALERTS = (_ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()

EVENTS: Mapping[str, Mapping[str, Mapping[str, type[Value]]]] = {
    "all roles": COMMON_EVENTS,
    "the gateway": gateway.app.EVENTS,
    "the relay": relay.app.EVENTS,
    "the issuer": issuer.app.EVENTS,
    "the node": node.app.EVENTS,
}

LABELS = {"event", "le", "reason", "result", "status"}
"""Every label that there may be. None tells of a person; one more wants to be argued for here."""


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Family]]:
    return {role: families_of(role, tmp_path_factory.mktemp(role)) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_every_label_is_on_the_closed_list_and_says_nothing_of_a_person(
    role: str, families: dict[str, list[Family]]
) -> None:
    for family in families[role]:
        assert re.fullmatch(rf"tacita_{role}_[a-z_]+|process_[a-z_]+", family.name)
        for label, values in labels_of(family).items():
            assert label in LABELS
            # Reasons, statuses and bounds, few enough to be listed in the document.
            assert len(values) < 32
            for value in values:
                assert re.fullmatch(r"[a-z_]{2,20}|[1-5](?:xx|\d\d)|\d+\.\d+|\+Inf", value), value


@pytest.mark.parametrize("role", ROLES)
def test_the_tables_are_those_of_the_roles(role: str, families: dict[str, list[Family]]) -> None:
    # `python tests/support/metric_tables.py docs/operating.md` brings them up to date.
    assert f"<!-- metrics of the {role} -->\n{table(families[role])}\n<!-- end -->" in _DOCUMENT


@pytest.mark.parametrize("role", ROLES)
def test_of_each_metric_it_is_said_when_to_worry(role: str, families: dict[str, list[Family]]) -> None:
    prose = "\n".join(line for line in _DOCUMENT.splitlines() if not line.startswith("|"))
    said = set(re.findall(rf"`(tacita_{role}_\w+)`", prose))
    assert said == {series_of(one) for one in families[role] if not one.name.startswith("process_")}


@pytest.mark.parametrize("whose", EVENTS)
def test_each_log_event_is_listed_with_its_fields(whose: str) -> None:
    _, _, section = _DOCUMENT.partition(f"### Events of {whose}\n")
    section, _, _ = section.partition("\n### ")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    assert listed == {name: set(fields) for name, fields in EVENTS[whose].items()}
    assert len(rows) == len(listed)


def test_the_alerts_are_rules_in_the_form_that_prometheus_reads() -> None:
    rule = (
        r"      - alert: Tacita[A-Za-z]+\n(?:        #.*\n)?        expr: '[^'\n]+'\n        for: \d+m\n"
        r"        labels: \{severity: (?:page|ticket)\}\n        annotations: \{summary: \"[^\"\n]+\"\}\n"
    )
    groups = _ALERTS.partition("groups:\n")[2].split("\n\n")
    for group in groups:
        assert re.fullmatch(rf"  - name: tacita[a-z-]*\n    rules:\n(?:{rule})+", group.rstrip("\n") + "\n")
    names = re.findall(r"alert: (\w+)", _ALERTS)
    assert len(set(names)) == len(names)


def test_the_alerts_ask_for_series_that_are_there(families: dict[str, list[Family]]) -> None:
    there: dict[str, dict[str, list[str]]] = {}
    for family in (one for of_role in families.values() for one in of_role):
        for name in [series_of(family), *(sample for sample, _, _ in family.samples)]:
            there[name] = labels_of(family)
    asked = re.findall(
        r"((?:tacita|process)_\w+)(?:\{(.*?)\})?", "".join(re.findall(r"expr: '(.*)'", _ALERTS))
    )
    assert asked
    for name, selectors in asked:
        assert name in there, name
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selectors):
            if label != "job":
                assert set(values.split("|")) <= set(there[name][label]), name


def test_it_has_one_table_for_each_role() -> None:
    assert set(re.findall(r"<!-- metrics of the (\w+) -->", _DOCUMENT)) == set(ROLES)
