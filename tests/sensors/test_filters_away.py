"""Programs with a transform or a script: what is run, in which order, and what becomes of errors (reference 4.2, 4.3, 4.8)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sensors.filters import FilterProgram, Judgement
from sensors.manifest import Dependency
from sensors.scripts import Program
from tests.sensors.scripts_in_process import InProcess
from tests.sensors.test_filters import event
from tiphys.errors import ScriptError, ScriptsUnavailable

PASSED, FAILED, ERRORED = Judgement.PASSED, Judgement.FAILED, Judgement.ERRORED
DATA = {"body": {"n": 10, "s": "a"}}
YES = {"path": "body.n", "type": "number", "value": ["10"]}
NO = {"path": "body.n", "type": "number", "value": ["11"]}
MISSING = {"path": "body.none", "type": "number", "value": ["11"]}


def program(**spec: Any) -> FilterProgram:
    compiled = FilterProgram(Dependency.model_validate({"name": "d", "eventSourceName": "w", "eventName": "e", **spec}))
    assert compiled.faults() == []
    assert compiled.away
    return compiled


async def judged(data: Any = DATA, **spec: Any) -> tuple[Judgement, int]:
    """The judgement, and how many scripts were run for it."""
    compiled, scripts = program(**spec), InProcess()
    found = await compiled.judge_away(event(data), scripts)
    asked = len(scripts.asked)
    tree = await compiled.explain_away(event(data), scripts)
    assert (tree.judgement, tree.clause) == found[:2]
    return found.judgement, asked


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("return true", PASSED),
        ("return event.body.n == 10", PASSED),
        ("return event.body.n == 11", FAILED),
        ("return 1", FAILED),
        ("return 'true'", FAILED),
        ("local x = 1", FAILED),
        ("return false, true", PASSED),
        ("error('x')", ERRORED),
        ("return event.none.x", ERRORED),
    ],
)
async def test_a_script_passes_with_exactly_true(script: str, expected: Judgement) -> None:
    assert await judged(filters={"script": script}) == (expected, 1)


async def test_a_script_sees_objects_only_and_an_event_without_data_passes() -> None:
    assert await judged(None, filters={"script": "return false"}) == (PASSED, 0)
    assert await judged([1], filters={"script": "return true"}) == (ERRORED, 1)
    assert await judged(b"{", filters={"script": "return true"}) == (ERRORED, 1)


@pytest.mark.parametrize(
    ("operator", "data", "script", "expected", "asked"),
    [
        ("and", YES, "return true", PASSED, 1),
        ("and", YES, "return false", FAILED, 1),
        ("and", YES, "error()", ERRORED, 1),
        ("and", NO, "return true", FAILED, 0),
        ("and", NO, "error()", FAILED, 0),
        ("and", MISSING, "return true", ERRORED, 0),
        ("or", YES, "return true", PASSED, 1),
        ("or", YES, "return false", PASSED, 1),
        ("or", YES, "error()", ERRORED, 1),
        ("or", NO, "return true", PASSED, 1),
        ("or", NO, "return false", FAILED, 1),
        ("or", NO, "error()", ERRORED, 1),
        ("or", MISSING, "return true", ERRORED, 0),
    ],
)
async def test_a_script_is_asked_where_it_can_change_whether_the_event_passes(
    operator: str, data: dict[str, Any], script: str, expected: Judgement, asked: int
) -> None:
    found = await judged(filters={"data": [data], "script": script}, filtersLogicalOperator=operator)
    assert found == (expected, asked)


async def test_a_transform_comes_first_and_everything_else_sees_what_it_made() -> None:
    context = {"datacontenttype": "application/json"}
    filters = {"data": [{**YES, "value": ["11"]}], "context": context, "script": "return event.body.extra"}
    compiled = program(transform={"jq": ".body.n += 1 | .body.extra = true"}, filters=filters)
    found = await compiled.judge_away(event(DATA, datacontenttype="text/plain"), InProcess())
    assert found.judgement is PASSED
    assert orjson.loads(found.transformed or b"") == {"body": {"n": 11, "s": "a", "extra": True}}
    tree = await compiled.explain_away(event(DATA), InProcess())
    first, data, *_ = tree.children
    assert first.asked.startswith("transform by jq")
    assert '"extra":true' in first.found
    assert data.children[0].found == "'11'"


async def test_a_transform_without_filters_passes_and_hands_on_what_it_made() -> None:
    found = await program(transform={"script": "event.body.n = nil return event"}).judge_away(event(DATA), InProcess())
    assert found == (PASSED, -1, b'{"body":{"s":"a"}}')


async def test_jq_wins_where_a_script_is_there_too_and_a_notice_says_so() -> None:
    compiled = program(transform={"jq": "{a: 1}", "script": "return {}"})
    assert (await compiled.judge_away(event(DATA), InProcess())).transformed == b'{"a":1}'
    assert [one.path for one in compiled.notices()] == ["transform.script"]


@pytest.mark.parametrize(
    "transform", [{"jq": ".body.n"}, {"jq": "empty"}, {"jq": "error"}, {"script": "return 1"}, {"script": "error('x')"}]
)
async def test_a_transform_that_fails_drops_the_event_with_a_recorded_reason(transform: dict[str, str]) -> None:
    compiled = program(transform=transform, filters={"data": [YES]}, filtersLogicalOperator="or")
    assert await compiled.judge_away(event(DATA), InProcess()) == (ERRORED, 0, None)
    tree = await compiled.explain_away(event(DATA), InProcess())
    assert tree.judgement is ERRORED
    assert tree.children[0].why


async def test_an_event_without_data_is_left_as_it_is() -> None:
    compiled = program(transform={"jq": "{a: 1}"}, filters={"data": [YES]})
    assert await compiled.judge_away(event(None), InProcess()) == (PASSED, -1, None)


async def test_argo_events_3771_a_table_that_is_marked_is_a_list_also_when_it_is_empty() -> None:
    script = 'event.vars = setmetatable({}, { __is_array = true }) event.opts = {} event.args = {"-v"} return event'
    found = await program(transform={"script": script}).judge_away(event({"n": 1}), InProcess())
    assert orjson.loads(found.transformed or b"") == {"n": 1, "vars": [], "opts": {}, "args": ["-v"]}


class Killing:
    """Workers that are stopped, or that are not there."""

    def __init__(self, error: ScriptError) -> None:
        self._error = error

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        raise self._error


@pytest.mark.parametrize("spec", [{"filters": {"script": "while true do end"}}, {"transform": {"jq": "def f: f; f"}}])
async def test_a_stopped_worker_is_an_error_that_says_so(spec: dict[str, Any]) -> None:
    stopped = Killing(ScriptError("x", "it ran for more than 1 s", killed=True))
    compiled = program(**spec)
    assert (await compiled.judge_away(event(DATA), stopped)).judgement is ERRORED
    tree = await compiled.explain_away(event(DATA), stopped)
    assert tree.children[0].why == "its worker was stopped: it ran for more than 1 s"


@pytest.mark.parametrize("spec", [{"filters": {"script": "return true"}}, {"transform": {"jq": "."}}])
async def test_where_no_worker_can_be_had_nothing_is_decided(spec: dict[str, Any]) -> None:
    gone = Killing(ScriptsUnavailable("x", "too many calls wait"))
    compiled = program(**spec)
    with pytest.raises(ScriptsUnavailable):
        await compiled.judge_away(event(DATA), gone)
    tree = await compiled.explain_away(event(DATA), gone)
    assert "too many calls wait" in tree.children[0].why


@pytest.mark.parametrize("spec", [{"filters": {"script": "return true"}}, {"transform": {"jq": "."}}])
def test_what_needs_a_worker_lets_nothing_pass_without_one(spec: dict[str, Any]) -> None:
    assert program(**spec).judge(event(DATA)).judgement is ERRORED
