"""Any filters over any event: nothing is raised, and what is judged is what is explained."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sensors.filters import FilterProgram, Finding, Judgement
from sensors.manifest import Dependency
from tests.sensors.scripts_in_process import InProcess
from tiphys.bus.event import Event

operators = st.sampled_from(["", "and", "or"])
paths = st.sampled_from(
    ["a", "b", "a.b", "a.0", "a.#", "a.#.b", '#(a=="x").b', 'a.#(b=="x")', "@this", "a|@keys", "*", "{a,b}", "a.", "", "b.a.b", "c"]
)
words = st.sampled_from(["x", "^x$", "^(x|y)$", "1", "-1", "1e3", "true", "f", "", "(", "[a-z]+", "0x1p4", "NaN", "2024-01-01"])
exprs = st.sampled_from(
    ["v == 1", "v > w", "v =~ '^x'", "v in (1,'x')", "v + w", "!v", "v ? w : 1", "v == nothing", "true", "v ==", "", "v || w"]
)
fields = st.lists(st.fixed_dictionaries({"path": paths, "name": st.sampled_from(["v", "w"])}), max_size=2)
data_entries = st.fixed_dictionaries(
    {"path": paths, "type": st.sampled_from(["string", "number", "bool", "text"]), "value": st.lists(words, max_size=2)},
    optional={
        "comparator": st.sampled_from(["", "=", "!=", ">", ">=", "<", "<=", "~"]),
        "template": st.sampled_from(["", "{{ .Input }}", "{{ upper .Input }}x", "{{ .Input.x }}", "{{"]),
    },
)
clocks = st.sampled_from(["00:00:00", "09:00:00", "23:59:59", "24:00:00", "9:5:1", ""])
globs = st.lists(st.sampled_from(["main", "*", "**", "!x", "[", "v[0-9]+", "docs/**"]), max_size=2)
scripts = st.sampled_from(["", "return true", "return event.a == 'x'", "error('no')", "return (", "return event.a.b.c"])
filters = st.fixed_dictionaries(
    {},
    optional={
        "exprs": st.lists(st.fixed_dictionaries({"expr": exprs, "fields": fields}), max_size=2),
        "exprLogicalOperator": operators,
        "data": st.lists(data_entries, max_size=3),
        "dataLogicalOperator": operators,
        "context": st.fixed_dictionaries({}, optional={"type": st.sampled_from(["webhook", "git"]), "datacontenttype": words}),
        "time": st.fixed_dictionaries(
            {"start": clocks, "stop": clocks}, optional={"timezone": st.sampled_from(["", "Asia/Tokyo", "x"])}
        ),
        "git": st.fixed_dictionaries({}, optional={"branches": globs, "tags": globs, "paths": globs, "skipCI": st.booleans()}),
        "script": scripts,
    },
)
transforms = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "jq": st.sampled_from(["", ".", ".a", "{a: .b}", "empty", "error", "("]),
        "script": st.sampled_from(["", "return event", "event.a = 'x' return event", "return 1", "return ("]),
    },
)
dependencies = st.fixed_dictionaries(
    {"name": st.just("d"), "eventSourceName": st.just("s"), "eventName": st.just("e")},
    optional={"filters": filters, "filtersLogicalOperator": operators, "transform": transforms},
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([1 << 70, 1e308, "x", "1", "true", "", "refs/heads/main", "\ufffd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "body", "ref"]), inner, max_size=3),
    max_leaves=10,
)
texts = st.sampled_from(
    [
        b"",
        b"{",
        b"null",
        b'"x"',
        b'{"a":1,"a":"x"}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":1e999}',
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"a":12345678901234567890123456789012345678901234567890}',
    ]
)
events = st.builds(
    lambda data, time, kind: Event(
        id="1",
        source="s",
        type=kind,
        subject="e",
        namespace="argo",
        data=data if data is None or isinstance(data, bytes) else orjson.dumps(data, default=str),
        time=time,
    ),
    st.none() | texts | values.map(lambda value: orjson.dumps(value) if not _huge(value) else b'{"a":1180591620717411303424}'),
    st.sampled_from(["", "2024-05-17T13:45:30Z", "2024-05-17T13:45:30.123456789+02:00", "never", "9999-12-31T23:59:59Z"]),
    st.sampled_from(["webhook", "git"]),
)


def _huge(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_huge, value.values()))
    return any(map(_huge, value)) if isinstance(value, list) else isinstance(value, int) and value > 1 << 63


def leaves(finding: Finding) -> list[Finding]:
    return [leaf for child in finding.children for leaf in leaves(child)] if finding.children else [finding]


@given(dependencies, events)
def test_any_filters_judge_any_event_as_they_explain_it(written: dict[str, Any], event: Event) -> None:
    try:
        program = FilterProgram(Dependency.model_validate(written))
    except ValidationError:
        return
    faults, notices = program.faults(), program.notices()
    assert all(one.path.startswith(("filters", "transform")) and one.problem for one in (*faults, *notices))

    async def decided() -> None:
        judged = await program.judge_away(event, InProcess())
        tree = await program.explain_away(event, InProcess())
        assert (tree.judgement, tree.clause) == (judged.judgement, judged.clause)
        assert judged.judgement is not Judgement.ERRORED or any(leaf.judgement is Judgement.ERRORED for leaf in leaves(tree))
        if not program.away:
            assert program.judge(event) == judged
            assert program.explain(event) == tree
        if faults and event.data is not None and any(one.path.startswith("filters.script") for one in faults):
            assert judged.judgement is not Judgement.PASSED

    asyncio.run(decided())
