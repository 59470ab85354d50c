"""Sensors: every filter, transform, condition, parameter and kind of trigger, in any combination that a manifest can hold."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from tests.soak.generated import texts
from tests.soak.generated.events import SOURCES

__all__ = ["sensors"]

Map = dict[str, Any]
_NONE: Final = st.none()
_NUMBER: Final = st.sampled_from((1, 1, 1, 2, 2, 3, 4))
_NAMES: Final = ("push", "tag-2", "rel_3", "été")
_OPERATORS: Final = st.sampled_from(("", "and", "or", "or"))


def _maybe(strategy: st.SearchStrategy[Any], one_in: int = 3) -> st.SearchStrategy[Any]:
    """`None` but for one in so many."""
    kinds = (strategy, *[_NONE] * (one_in - 1))
    return st.sampled_from(range(one_in)).flatmap(lambda number: kinds[number])


def _map(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Map]:
    """A map of those that are there."""
    return st.fixed_dictionaries(fields).map(lambda made: {name: value for name, value in made.items() if value is not None})


# -- dependencies

_DATA: Final = _map(
    path=texts.paths(),
    type=st.sampled_from(("string", "string", "string", "number", "bool", "date")),
    value=st.lists(
        st.one_of(texts.patterns(), st.sampled_from(("3", "true", "1e400", "NaN", "0x10", "-1"))), min_size=1, max_size=3
    ),
    comparator=_maybe(st.sampled_from(("=", "!=", ">", ">=", "<", "<="))),
    template=_maybe(texts.templates(), 4),
)
_TYPED_DATA: Final = st.one_of(
    _map(
        path=texts.paths(),
        type=st.just("number"),
        value=st.lists(st.sampled_from(("3", "0x10", "-1", "NaN", "2.5")), min_size=1, max_size=2),
        comparator=_maybe(st.sampled_from(("=", "!=", ">", ">=", "<", "<=")), 2),
        template=_maybe(texts.templates(), 4),
    ),
    _map(path=texts.paths(), type=st.just("bool"), value=st.sampled_from((["true"], ["false", "T"], ["x"]))),
    _map(path=texts.paths(), type=st.just("date"), value=st.just(["1e400"])),
)
_SURE_DATA: Final = _map(path=texts.sure_paths(), type=st.just("string"), value=st.sampled_from((["."], ["main", "x"], [".*"])))
_EXPR: Final = _map(
    expr=texts.expressions(),
    fields=st.one_of(
        st.just([{"path": f"body.{name}", "name": name} for name in ("ref", "size", "flag", "text", "list")]),
        st.just(
            [{"path": "body.ref", "name": "ref"}, {"path": "body.size", "name": "size"}, {"path": "body.flag", "name": "flag"}]
        ),
        st.lists(_map(path=texts.paths(), name=st.sampled_from(("ref", "size", "flag", "text", "list"))), min_size=1, max_size=3),
    ),
)
_CONTEXT: Final = _map(
    type=st.sampled_from(("webhook", "github", "x")),
    subject=_maybe(st.sampled_from(SOURCES)),
    datacontenttype=_maybe(st.just("application/json")),
)
_CLOCK: Final = st.sampled_from(("00:00:00", "08:00:00", "23:59:59", "17:30:00", "12:00:00", "25:00:00"))
_TIME: Final = _map(
    start=_CLOCK,
    stop=_CLOCK,
    timezone=_maybe(st.sampled_from(("Europe/Berlin", "Pacific/Kiritimati", "America/New_York", "Mars/Olympus"))),
)
_GLOBS: Final = st.lists(
    st.sampled_from(("main", "**", "v*", "docs/**", "!docs/x", "a*b*c*d*e*f*g*h*i*j*k*l", "[", "**/**/**/**/x", "+", "**.md")),
    min_size=1,
    max_size=3,
)
_GIT: Final = st.one_of(
    _map(branches=_GLOBS),
    _map(tags=_GLOBS, branches=_maybe(_GLOBS)),
    _map(branchesIgnore=_GLOBS, paths=_GLOBS),
    _map(ignore=_GLOBS, skipCI=st.booleans()),
)
_FILTERS: Final = _map(
    data=_maybe(st.lists(st.one_of(_DATA, _TYPED_DATA, _SURE_DATA, _SURE_DATA, _SURE_DATA), min_size=1, max_size=3), 2),
    dataLogicalOperator=_maybe(_OPERATORS, 2),
    exprs=_maybe(st.lists(_EXPR, min_size=1, max_size=2)),
    exprLogicalOperator=_maybe(_OPERATORS, 2),
    context=_maybe(_CONTEXT, 5),
    time=_maybe(_TIME, 6),
    git=_maybe(_GIT, 5),
    script=_maybe(texts.lua_filters(), 6),
)
_TRANSFORM: Final = st.one_of(_map(jq=texts.jq_programs()), _map(script=texts.lua_transforms()))


@cache
def _dependency(name: str) -> st.SearchStrategy[Map]:
    return _map(
        name=st.just(name),
        eventSourceName=st.just("hooks"),
        eventName=st.sampled_from(SOURCES),
        filters=_maybe(_FILTERS, 2),
        filtersLogicalOperator=_maybe(_OPERATORS, 3),
        transform=_maybe(_TRANSFORM, 6),
    )


# -- triggers


@cache
def _source(names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    return _map(
        dependencyName=st.sampled_from(names),
        dataKey=_maybe(texts.paths(), 2),
        dataTemplate=_maybe(texts.whims(), 3),
        contextKey=_maybe(st.sampled_from(("id", "type", "subject", "time", "gone", "@this")), 4),
        contextTemplate=_maybe(
            st.sampled_from(("{{ .Input.id }}", "{{ .Input.time | upper }}", "{{ .Input }}", "{{ .Input.id.x }}", "{{")), 5
        ),
        value=_maybe(st.sampled_from(("", "default", "3", "true", "{}", "main")), 3),
        useRawData=_maybe(st.booleans(), 3),
    )


_VALIDATE: Final = st.one_of(
    _map(pattern=texts.patterns()),
    _map(enum=st.sampled_from((["main", "x"], [1, 3, 2.5], [True]))),
    _map(maxLength=st.sampled_from((1, 20, 10**6))),
    _map(preset=st.sampled_from(("git-ref", "sha", "semver", "dns-name", "repo", "integer", "name", "word"))),
)
_DESTS: Final = texts.samples("dests")


@cache
def _parameters(names: tuple[str, ...], dests: tuple[str, ...] = _DESTS) -> st.SearchStrategy[list[Map]]:
    one = _map(
        src=_source(names),
        dest=st.sampled_from(dests),
        operation=_maybe(st.sampled_from(("append", "prepend", "overwrite")), 4),
        type=_maybe(st.sampled_from(("string", "int", "float", "bool", "json")), 4),
        validate=_maybe(_VALIDATE, 5),
        onMissing=_maybe(st.sampled_from(("error", "skip", "default")), 3),
    )
    return st.lists(st.tuples(one, st.integers(0, 9)).map(_agreeing), min_size=1, max_size=3)


def _agreeing(made: tuple[Map, int]) -> Map:
    """Without the contradictions that admission refuses, but for one in ten."""
    parameter, number = made
    source = parameter["src"]
    if number == 0:
        return parameter
    missing = parameter.get("onMissing")
    kind = parameter.get("type", "string")
    if missing == "default":
        source = {"value": "default", **source}
    elif missing or kind != "string" or "validate" in parameter:
        source = {name: value for name, value in source.items() if name != "value"}
    without = () if kind == "string" else ("operation",)
    return {name: value for name, value in parameter.items() if name not in without} | {"src": source}


_OBJECT: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"generateName": "made-"},
    "data": {"a": "x", "b": ""},
    "spec": {"list": [1], "arguments": {"parameters": [{"name": "x", "value": "y"}]}},
}
_WORKFLOW: Final = {**_OBJECT, "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}


@cache
def _k8s(names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\ndata: {a: x}\n"
    return _map(
        operation=st.just("create"),
        source=st.sampled_from(({"resource": _OBJECT}, {"resource": _WORKFLOW}, {"inline": text})),
        parameters=_maybe(_parameters(names), 1),
    )


@cache
def _argo(names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    arguments = st.lists(
        st.sampled_from(("-p", "x=1", "--generate-name=a-", "--labels=a=b", "--entrypoint", "main", "--", "--what")), max_size=3
    )
    return _map(
        operation=st.just("submit"),
        source=st.just({"resource": _WORKFLOW}),
        parameters=_maybe(_parameters(names), 2),
        args=_maybe(arguments, 3),
    )


@cache
def _http(names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    url = st.sampled_from(
        ("http://127.0.0.1:1/x", "https://example.invalid/{{ .x }}?a=b", "http://x", "http://x/a b", "http://x", "http://[")
    )
    return _map(
        url=url,
        method=_maybe(st.sampled_from(("GET", "PUT", "POST")), 3),
        payload=_maybe(_parameters(names, ("a", "b.c", "", "list.-1", "x.y.z")), 2),
        headers=_maybe(st.sampled_from(({"X-A": "b"}, {"Host": "x"}, {"X A": "b"}, {"X-A": "b\r\nc: d"}))),
        dynamicHeaders=_maybe(_parameters(names, ("X-Ref", "X-Text", "Content-Length", "X Y"))),
        parameters=_maybe(_parameters(names, ("url", "headers.X-B", "timeout", "method"))),
    )


@cache
def _short(names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    argument = st.one_of(
        st.sampled_from([f"{{{{ .{name.replace('-', '_')}.body.ref }}}}" for name in names] + ["plain", "{{ .nobody }}", "{{"]),
        _map(
            **{
                "from": st.sampled_from(names),
                "path": texts.paths(),
                "default": _maybe(st.just("x")),
                "pattern": _maybe(st.sampled_from(("git-ref", ".*", "(a+)+$"))),
            }
        ),
    )
    return _map(
        templateRef=st.just({"name": "ci"}),
        arguments=st.dictionaries(st.sampled_from(("a", "b-c", "d")), argument, max_size=2),
        labels=_maybe(st.just({"a": "b"})),
    )


@cache
def _template(name: str, names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    kinds = st.sampled_from(("k8s", "k8s", "k8s", "http", "argoWorkflow", "workflow", "log"))
    made = {"k8s": _k8s(names), "http": _http(names), "argoWorkflow": _argo(names), "workflow": _short(names), "log": st.just({})}
    reset = _map(
        byTime=_map(
            cron=st.sampled_from(("* * * * *", "0 0 * * *", "0 0 30 2 *", "x", "*/7 1-5 * * 1")),
            timezone=_maybe(st.sampled_from(("Europe/Berlin", "No/Where"))),
        )
    )
    key = texts.paths()
    hold = st.sampled_from(("latest", "first", "all"))
    when = _map(
        conditions=_maybe(texts.conditions(names), 1),
        conditionsReset=_maybe(st.lists(reset, min_size=1, max_size=2), 6),
        within=_maybe(st.sampled_from(("10m", "10m", "1h", "1s", "1ns", "1000000h", "-1s")), 5),
        correlate=_maybe(st.one_of(st.just("body.ref"), key, st.fixed_dictionaries(dict.fromkeys(names, key))), 5),
        hold=_maybe(st.one_of(hold, st.fixed_dictionaries(dict.fromkeys(names, hold))), 5),
    )
    bodies = {chosen: st.fixed_dictionaries({chosen: body}) for chosen, body in made.items()}
    kind = kinds.flatmap(bodies.__getitem__)
    return st.tuples(when, kind).map(lambda parts: {"name": name, **parts[0], **parts[1]})


@cache
def _trigger(name: str, names: tuple[str, ...]) -> st.SearchStrategy[Map]:
    keys = [f"{{{{ .{one.replace('-', '_')}.body.ref }}}}" for one in names]
    return _map(
        template=_template(name, names),
        once=_maybe(
            _map(
                **{
                    "key": st.sampled_from(
                        [*keys, "{{ .push.body.text }}x", "{{ .push | toJson }}", "plain", "{{ repeat 70000 `x` }}{{ .push.a }}"]
                    ),
                    "for": _maybe(st.just("1h")),
                }
            ),
            6,
        ),
        parameters=_maybe(
            _parameters(
                names, ("k8s.source.resource.data.a", "http.url", "log.intervalSeconds", "k8s", "name", "k8s.parameters.0.dest")
            ),
            8,
        ),
        order=_maybe(st.sampled_from(("strict", {"key": keys[0]}, {"key": "{{ .push | toJson }}"}, "key")), 8),
        concurrency=_maybe(st.sampled_from(({"max": 1}, {"max": 2, "key": keys[-1], "policy": "replace"}, {"max": 0})), 8),
        debounce=_maybe(
            st.sampled_from(("30s", "10m", {"wait": "8m", "max": "20m", "key": keys[0]}, {"wait": "1s", "max": "1ns"})), 12
        ),
        batch=_maybe(
            st.sampled_from(({"size": 2, "wait": "5m"}, {"size": 3, "wait": "1h", "key": keys[0]}, {"size": 1, "wait": "1s"})), 12
        ),
        retryStrategy=_maybe(st.just({"steps": 2, "duration": "1s"}), 6),
        atLeastOnce=_maybe(st.booleans(), 6),
    )


@st.composite
def sensors(draw: st.DrawFn) -> Map:
    """A whole manifest. Most are accepted; what a refusal is worth is looked at as well."""
    names = _NAMES[: draw(_NUMBER)]
    triggers = [draw(_trigger(f"t{number}", names)) for number in range(draw(_NUMBER))]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "made", "namespace": "argo"},
        "spec": {"dependencies": [draw(_dependency(name)) for name in names], "triggers": triggers},
    }
