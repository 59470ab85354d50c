"""`filters.exprs` (reference 4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from sensors.filters import Judgement
from tests.sensors.test_filters import event, program

PASSED, FAILED, ERRORED = Judgement.PASSED, Judgement.FAILED, Judgement.ERRORED
DATA = {"body": {"n": 10, "s": "a", "t": True, "nul": None, "o": {"k": 1}, "arr": [1, "x"], "when": "2024-05-17"}}


def entry(expr: str, **fields: str) -> dict[str, Any]:
    return {"expr": expr, "fields": [{"path": path, "name": name} for name, path in fields.items()]}


def judged(*entries: dict[str, Any], operator: str = "", data: Any = DATA) -> Judgement:
    compiled = program({"exprs": list(entries), "exprLogicalOperator": operator})
    assert compiled.explain(event(data)).judgement is compiled.judge(event(data)).judgement
    return compiled.judge(event(data)).judgement


@pytest.mark.parametrize(
    ("expr", "fields", "expected"),
    [
        ("n == 10", {"n": "body.n"}, PASSED),
        ("n > 10", {"n": "body.n"}, FAILED),
        ("n + 0.5 == 10.5 && s =~ '^a$'", {"n": "body.n", "s": "body.s"}, PASSED),
        ("t", {"t": "body.t"}, PASSED),
        ("n", {"n": "body.n"}, FAILED),
        ("n / 10", {"n": "body.n"}, FAILED),
        ("'true'", {"n": "body.n"}, FAILED),
        ("x in arr", {"x": "body.arr.1", "arr": "body.arr"}, PASSED),
        ("1 in arr", {"arr": "body.arr"}, PASSED),
        ("v == w", {"v": "body.nul", "w": "body.nul"}, PASSED),
        ("o == 1", {"o": "body.o"}, FAILED),
        ("[a-b] == 10", {"a-b": "body.n"}, PASSED),
        ("s > 5", {"s": "body.s"}, ERRORED),
        ("n == 10", {"n": "body.n", "m": "body.none"}, ERRORED),
        ("n == m", {"n": "body.n"}, ERRORED),
        ("n == 10 || m", {"n": "body.n"}, PASSED),
        ("t && false", {"t": "body.t"}, FAILED),
    ],
)
def test_an_expression_over_its_fields_passes_only_with_true(expr: str, fields: dict[str, str], expected: Judgement) -> None:
    assert judged(entry(expr, **fields)) is expected


YES, NO, MISSING = entry("n == 10", n="body.n"), entry("n == 11", n="body.n"), entry("n == 1", n="body.none")


@pytest.mark.parametrize(
    ("entries", "operator", "expected"),
    [
        ([YES, YES], "", PASSED),
        ([YES, NO], "", FAILED),
        ([NO, MISSING], "", FAILED),
        ([MISSING, NO], "and", ERRORED),
        ([NO, YES], "or", PASSED),
        ([MISSING, YES], "or", PASSED),
        ([MISSING, NO], "or", ERRORED),
        ([NO, NO], "or", FAILED),
    ],
)
def test_exprLogicalOperator_joins_the_entries_as_in_argo_events(
    entries: list[dict[str, Any]], operator: str, expected: Judgement
) -> None:
    assert judged(*entries, operator=operator) is expected


def test_an_event_without_data_passes_and_data_that_is_no_json_is_an_error() -> None:
    assert judged(YES, data=None) is PASSED
    assert judged(YES, data=b"{") is ERRORED


def test_values_and_reasons_are_shown() -> None:
    tree = program({"exprs": [entry("n > 11", n="body.n"), entry("n", n="body.n"), MISSING, entry("s > 5", s="body.s")]})
    first, second, third, fourth = tree.explain(event(DATA)).children[0].children
    assert (first.asked, first.found, first.why) == ("n > 11", "n = 10.0", "it is false")
    assert second.why == "it is 10.0, and only true passes"
    assert "there is nothing at body.none" in third.why
    assert (fourth.judgement, fourth.found) == (ERRORED, "s = 'a'")
    assert "cannot be evaluated" in fourth.why


def test_php_censor_337_a_path_through_null_leads_nowhere_and_is_named() -> None:
    compiled = program({"exprs": [entry('kind == "tag"', kind="body.push.changes.0.new.type")]})
    deleted = event({"body": {"push": {"changes": [{"old": {"type": "tag"}, "new": None, "closed": True}]}}})
    assert compiled.judge(deleted).judgement is ERRORED
    assert "body.push.changes.0.new.type" in compiled.explain(deleted).children[0].children[0].why
    made = event({"body": {"push": {"changes": [{"new": {"type": "tag"}, "old": None}]}}})
    assert compiled.judge(made).judgement is PASSED
    assert compiled.judge(event({"body": {"push": {"changes": []}}})).judgement is ERRORED


def test_an_expression_that_cannot_be_read_is_a_fault_unless_another_can_stand_in_for_it() -> None:
    alone = program({"exprs": [entry("n ==", n="body.n")]})
    assert [one.path for one in alone.faults()] == ["filters.exprs[0].expr"]
    beside = program({"exprs": [entry("n ==", n="body.n"), YES], "exprLogicalOperator": "or"})
    assert beside.faults() == []
    assert [one.path for one in beside.notices()] == ["filters.exprs[0].expr"]
    assert beside.judge(event(DATA)).judgement is PASSED
    assert beside.judge(event({"body": {"n": 1}})).judgement is ERRORED


def test_a_name_that_no_field_gives_is_accepted_with_a_notice() -> None:
    compiled = program({"exprs": [entry("n == 10 || m > 1", n="body.n")]})
    assert compiled.faults() == []
    (notice,) = compiled.notices()
    assert (notice.path, "uses m" in notice.problem) == ("filters.exprs[0].expr", True)
