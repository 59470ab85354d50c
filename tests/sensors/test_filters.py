"""Data and context filters, and the order and operators of all kinds (reference 4.3 to 4.6, worked cases A1 to A22)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.filters import FilterProgram, Judgement
from sensors.manifest import Dependency
from tiphys.bus.event import Event

DATA = {"body": {"n": 10, "s": "hello world", "b": "true", "nul": None, "arr": [1, 2]}}
PASSED, FAILED, ERRORED = Judgement.PASSED, Judgement.FAILED, Judgement.ERRORED


def event(data: Any = DATA, **attributes: str) -> Event:
    raw = data if data is None or isinstance(data, bytes) else orjson.dumps(data)
    values = {"id": "1", "source": "webhook", "type": "webhook", "subject": "example", "namespace": "argo"} | attributes
    return Event(data=raw, **values)


def program(filters: dict[str, Any] | None, operator: str = "") -> FilterProgram:
    spec = {"name": "d", "eventSourceName": "webhook", "eventName": "example", "filtersLogicalOperator": operator}
    return FilterProgram(Dependency.model_validate(spec | ({} if filters is None else {"filters": filters})))


def entry(path: str, kind: str, values: list[str], comparator: str = "", template: str = "") -> dict[str, Any]:
    return {"path": path, "type": kind, "value": values, "comparator": comparator, "template": template}


@pytest.mark.parametrize(
    ("case", "data_filter", "expected"),
    [
        ("A1", entry("body.n", "number", ["10"]), PASSED),
        ("A2", entry("body.n", "number", ["10"], "!="), FAILED),
        ("A3", entry("body.n", "number", ["10", "11"], "!="), PASSED),
        ("A4", entry("body.n", "number", ["5", "50"], ">="), PASSED),
        ("A5", entry("body.s", "string", ["hello"]), PASSED),
        ("A6", entry("body.s", "string", ["^hello$"]), FAILED),
        ("A7", entry("body.s", "string", ["hello"], "!="), FAILED),
        ("A8", entry("body.s", "string", ["a"], ">"), FAILED),
        ("A9", entry("body.s", "number", ["0"]), PASSED),
        ("A10", entry("body.b", "bool", ["true"]), PASSED),
        ("A11", entry("body.b", "bool", ["false"], "!="), FAILED),
        ("A12", entry("body.nul", "string", ["^$"]), PASSED),
        ("A13", entry("body.none", "string", ["x"]), ERRORED),
        ("A14", entry("body.arr", "string", [r"\[1,2\]"]), PASSED),
        ("A15", entry("body.s", "string", ["HELLO"], template="{{ upper .Input }}"), PASSED),
        ("A16", entry("body.nul", "string", ["x"], template="{{ .Input }}"), ERRORED),
    ],
)
def test_one_data_filter_judges_as_argo_events_does(case: str, data_filter: dict[str, Any], expected: Judgement) -> None:
    compiled = program({"data": [data_filter]})
    assert compiled.judge(event()).judgement is expected, case
    assert compiled.explain(event()).judgement is expected


MISSING, WRONG, RIGHT = (
    entry("body.none", "string", ["x"]),
    entry("body.s", "string", ["^hello$"]),
    entry("body.n", "number", ["10"]),
)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([MISSING, RIGHT], PASSED),
        ([MISSING, WRONG], ERRORED),
        ([WRONG, WRONG], FAILED),
        ([WRONG, RIGHT], PASSED),
    ],
)
def test_under_dataLogicalOperator_or_the_first_entry_that_passes_decides(
    entries: list[dict[str, Any]], expected: Judgement
) -> None:
    assert program({"data": entries, "dataLogicalOperator": "or"}).judge(event()).judgement is expected


@pytest.mark.parametrize(
    ("filters", "operator", "expected"),
    [
        ({"data": [MISSING], "context": {"type": "webhook"}}, "or", ERRORED),
        ({"data": [WRONG], "context": {"type": "webhook"}}, "or", PASSED),
        ({"data": [WRONG], "context": {"type": "github"}}, "or", FAILED),
        ({}, "or", FAILED),
        ({}, "", PASSED),
        (None, "or", PASSED),
        ({"data": [RIGHT], "context": {"subject": "other"}}, "", FAILED),
        ({"data": [RIGHT], "context": {"subject": "example", "source": "webhook"}}, "and", PASSED),
    ],
)
def test_argo_events_2374_only_the_kinds_that_are_given_count(
    filters: dict[str, Any] | None, operator: str, expected: Judgement
) -> None:
    compiled = program(filters, operator)
    assert compiled.judge(event()).judgement is expected
    assert compiled.explain(event()).judgement is expected


def test_argo_events_2374_either_of_an_expression_and_a_data_filter() -> None:
    amount = {"expr": "amount > 100", "fields": [{"path": "body.amount", "name": "amount"}]}
    filters = {"exprs": [amount], "data": [entry("body.kind", "string", ["^vip$"])]}
    bodies = [(5, "plain"), (500, "plain"), (5, "vip"), (500, "vip")]
    events = [event({"body": {"amount": number, "kind": kind}}) for number, kind in bodies]
    compiled = program(filters, "or")
    assert [compiled.judge(one).judgement for one in events] == [FAILED, PASSED, PASSED, PASSED]
    exprs, data = compiled.explain(events[0]).children
    assert (exprs.children[0].found, data.children[0].found) == ("amount = 5.0", "'plain'")
    assert [one.path for one in program({}, "or").notices()] == ["filtersLogicalOperator"]


EXPR_YES = {"expr": "n == 10", "fields": [{"path": "body.n", "name": "n"}]}
EXPR_NO, EXPR_MISSING = EXPR_YES | {"expr": "n == 11"}, {"expr": "n == 1", "fields": [{"path": "body.none", "name": "n"}]}
OPEN, SHUT = {"start": "00:00:00", "stop": "23:59:59"}, {"start": "00:00:00", "stop": "00:00:01"}


@pytest.mark.parametrize(
    ("filters", "conjunction", "disjunction"),
    [
        ({"exprs": [EXPR_YES], "data": [RIGHT], "time": OPEN}, PASSED, PASSED),
        ({"exprs": [EXPR_NO], "data": [RIGHT]}, FAILED, PASSED),
        ({"exprs": [EXPR_NO], "data": [MISSING]}, ERRORED, ERRORED),
        ({"exprs": [EXPR_MISSING], "data": [RIGHT]}, ERRORED, ERRORED),
        ({"exprs": [EXPR_YES], "data": [MISSING]}, ERRORED, ERRORED),
        ({"exprs": [EXPR_NO], "data": [WRONG], "time": OPEN}, FAILED, PASSED),
        ({"exprs": [EXPR_NO], "data": [WRONG], "time": SHUT, "context": {"type": "github"}}, FAILED, FAILED),
        ({"time": SHUT, "context": {"type": "webhook"}}, FAILED, PASSED),
    ],
)
def test_an_error_of_any_kind_drops_the_event_under_both_operators(
    filters: dict[str, Any], conjunction: Judgement, disjunction: Judgement
) -> None:
    at_noon = event(time="2024-05-17T12:00:00Z")
    for operator, expected in (("and", conjunction), ("", conjunction), ("or", disjunction)):
        compiled = program(filters, operator)
        assert compiled.judge(at_noon).judgement is expected
        assert compiled.explain(at_noon).judgement is expected


def test_a_value_that_cannot_be_compared_with_is_asked_only_when_its_turn_comes() -> None:
    compiled = program({"data": [entry("body.n", "number", ["10", "ten"])]})
    assert compiled.faults() == []
    assert [one.path for one in compiled.notices()] == ["filters.data[0].value[1]"]
    assert compiled.judge(event()).judgement is PASSED
    assert compiled.judge(event({"body": {"n": 11}})).judgement is ERRORED
    assert [one.path for one in program({"data": [entry("body.n", "number", ["ten", "10"])]}).faults()] == [
        "filters.data[0].value[0]"
    ]


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (entry("body.n", "strange", ["1"]), "filters.data[0].type"),
        (entry("body.n", "string", ["("]), "filters.data[0].value[0]"),
        (entry("body.n", "bool", ["maybe"]), "filters.data[0].value[0]"),
        (entry("body.n", "number", ["1"], template="{{"), "filters.data[0].template"),
    ],
)
def test_an_entry_that_cannot_be_read_is_a_fault_unless_another_can_stand_in_for_it(bad: dict[str, Any], path: str) -> None:
    assert [one.path for one in program({"data": [bad, RIGHT]}).faults()] == [path]
    either = program({"data": [bad, RIGHT], "dataLogicalOperator": "or"})
    assert either.faults() == []
    assert [one.path for one in either.notices()] == [path]
    assert either.judge(event()).judgement is PASSED
    assert either.judge(event({"body": {"n": 1}})).judgement is ERRORED
    assert program({"data": [bad, bad], "dataLogicalOperator": "or"}).faults() != []
    beside = program({"data": [WRONG, bad], "context": {"type": "webhook"}}, "or")
    assert beside.faults() == []
    assert beside.judge(event()).judgement is PASSED
    assert beside.judge(event({"body": {"n": 10, "s": "hello"}})).judgement is ERRORED
    assert program({"data": [bad, WRONG], "context": {"type": "webhook"}}, "or").faults() != []
    assert program({"data": [WRONG, bad]}, "or").faults() != []


def test_an_event_without_data_passes_data_filters_and_one_that_is_no_json_does_not() -> None:
    compiled = program({"data": [RIGHT]})
    assert compiled.judge(event(None)).judgement is PASSED
    assert compiled.judge(event(b"{")).judgement is ERRORED
    assert compiled.explain(event(b"{")).children[0].why == "the event's data is not JSON"


def test_the_clause_that_decided_is_named_by_its_number() -> None:
    compiled = program({"data": [RIGHT, WRONG], "context": {"type": "github"}})
    assert compiled.judge(event()).clause == 1
    assert program({"data": [RIGHT], "context": {"type": "github"}}).judge(event()).clause == 1


def test_argo_events_3215_not_equal_to_several_values_lets_nearly_everything_pass_as_in_argo_events() -> None:
    compiled = program({"data": [entry("body.brand", "string", ["^acme$", "^globex$"], "!=")]})
    assert compiled.judge(event({"body": {"brand": "acme"}})).judgement is PASSED
    one = program({"data": [entry("body.brand", "string", ["^(acme|globex)$"], "!=")]})
    assert one.judge(event({"body": {"brand": "acme"}})).judgement is FAILED
    assert one.judge(event({"body": {"brand": "initech"}})).judgement is PASSED


def test_a_header_compared_as_a_text_is_explained() -> None:
    compiled = program({"data": [entry("header.X-Event", "string", ["^push$"])]})
    finding = compiled.explain(event({"header": {"X-Event": ["push"]}}))
    assert "headers are lists" in finding.children[0].children[0].why


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), json_values),
    st.lists(
        st.builds(
            entry,
            st.sampled_from(["a", "b", "a.b", "a.0", "a.#"]),
            st.sampled_from(["string", "number", "bool"]),
            st.lists(st.sampled_from(["1", "0", "t"]), min_size=1, max_size=2),
            st.sampled_from(["", "=", "!=", ">", "<="]),
        ).filter(lambda one: one["type"] != "number" or "t" not in one["value"]),
        max_size=3,
    ),
    st.sampled_from(["", "or"]),
    st.sampled_from(["", "or"]),
    st.booleans(),
)
def test_what_is_explained_is_what_was_decided(
    data: dict[str, Any], entries: list[dict[str, Any]], inner: str, outer: str, context: bool
) -> None:
    filters: dict[str, Any] = {"data": entries, "dataLogicalOperator": inner} | (
        {"context": {"type": "webhook"}} if context else {}
    )
    compiled = program(filters, outer)
    assert compiled.explain(event(data)).judgement is compiled.judge(event(data)).judgement
