"""Data and context filters (reference 4.3 to 4.6, worked cases A1 to A22)."""

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
