import json
from dataclasses import dataclass

from tacita.service.reports import columns, compact_json, findings_told, utc


@dataclass(frozen=True)
class Found:
    code: str
    sentence: str


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    assert list(columns([("a", "long head"), ("longer", "b"), ("", "")])) == [
        "a       long head",
        "longer  b",
        "",
    ]


def test_json_is_one_line() -> None:
    assert compact_json({"a": [1, None]}) == '{"a":[1,null]}'


def test_findings() -> None:
    found = [Found("clock", "Set it right.")]
    assert findings_told(found, as_json=False) == ["Set it right."]
    assert findings_told([], as_json=False) == ["all is well"]
    assert json.loads(*findings_told(iter(found), as_json=True)) == {
        "ok": False,
        "findings": [{"code": "clock", "sentence": "Set it right."}],
    }
    assert json.loads(*findings_told([], as_json=True)) == {"ok": True, "findings": []}


def test_moments_are_utc() -> None:
    assert utc(1_795_478_400) == "2026-11-24T00:00:00Z"
