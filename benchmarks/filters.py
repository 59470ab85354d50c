"""Filter programs, the filter of an event source and a template parameter alone, on decoded payloads, against an interpretation that reads
the texts for every event.

Each event is another one, so nothing that a program found out about one helps it with the next, and it was decoded just before, as in
the Matcher. Time is that of the processor: what else runs on the machine does not count. The interpretation uses the same languages; only
that it compiles nothing beforehand and searches the event's text makes it what argo-events does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from sensors.filters import FilterProgram, Judgement
from sensors.manifest import Dependency
from tiphys.bus.event import NOT_JSON, Event
from tiphys.languages import expr, gjson, gotemplate, govaluate, regex

__all__ = ["measure"]

_EVENTS: Final = 100
_ROUNDS: Final = 100
_BODY: Final = {
    "ref": "refs/heads/main",
    "deleted": False,
    "size": 3,
    "action": "opened",
    "labels": [{"name": "bug", "color": "f00"}, {"name": "deploy", "color": "0f0"}, {"name": "x", "color": "00f"}],
    "repository": {"name": "shop", "full_name": "acme/shop", "private": True},
    "sender": {"login": "ada", "id": 1815},
}
_DATA: Final = {"header": {"X-Github-Event": ["push"], "Content-Type": ["application/json"]}, "body": _BODY}
_QUERY: Final = 'body.labels.#(name=="x").color'
_TEMPLATE: Final = "{{ .Input.body.ref | trimPrefix `refs/heads/` | upper }}"
_EXPR: Final = 'ref == "refs/heads/main" && size > 2'


def _data(path: str, value: str) -> dict[str, Any]:
    return {"data": [{"path": path, "type": "string", "value": [value]}]}


def _naive_data(path: str, value: str) -> Callable[[Event], bool]:
    compile_regex = regex.compile.__wrapped__
    return lambda event: compile_regex(value).search(gjson.compile(path).get(event.data or b"").string)


def _naive_expr(event: Event) -> bool:
    data = event.data or b""
    values = {name: gjson.compile(f"body.{name}").get(data).value for name in ("ref", "size")}
    return govaluate.compile.__wrapped__(_EXPR).evaluate(values) is True


_SOURCE_EXPRS: Final = (
    ("a comparison", 'header["X-Github-Event"][0] == "push" && body.ref startsWith "refs/heads/"'),
    ("a loop over three labels", 'body.action == "opened" && any(body.labels, .name == "deploy")'),
)
_FIELDS: Final = [{"path": "body.ref", "name": "ref"}, {"path": "body.size", "name": "size"}]
_ROWS: Final[list[tuple[str, dict[str, Any], Callable[[Event], bool], int, float | None]]] = [
    ("data filter", _data("body.ref", "^refs/heads/main$"), _naive_data("body.ref", "^refs/heads/main$"), 300_000, None),
    ("data filter with a query", _data(_QUERY, "^00f$"), _naive_data(_QUERY, "^00f$"), 150_000, None),
    ("expr filter of two fields", {"exprs": [{"expr": _EXPR, "fields": _FIELDS}]}, _naive_expr, 200_000, 20.0),
]


def _events(count: int) -> list[Event]:
    """Each with its own bytes and its own decoded payload."""
    events = []
    for number in range(count):
        data = orjson.dumps({**_DATA, "number": number})
        event = Event(id=str(number), source="hooks", type="webhook", subject="push", namespace="argo", data=data)
        assert event.payload is not NOT_JSON  # decodes it
        events.append(event)
    return events


def _rate(judge: Callable[[Event], Any], count: int) -> float:
    """Events per second of the processor's time, the best of some rounds."""
    best = 0.0
    for _ in range(_ROUNDS):
        events = _events(count)
        begun = time.process_time()
        for event in events:
            judge(event)
        best = max(best, count / (time.process_time() - begun))
    return best


async def measure() -> list[dict[str, Any]]:
    rows = []
    for name, filters, naive, goal, times in _ROWS:
        program = FilterProgram(
            Dependency.model_validate({"name": "d", "eventSourceName": "hooks", "eventName": "push", "filters": filters})
        )
        event = _events(1)[0]
        if program.judge(event).judgement is not Judgement.PASSED or not naive(event):
            raise RuntimeError(f"{name}: the event does not pass")
        ours, theirs = _rate(program.judge, _EVENTS), _rate(naive, _EVENTS)
        ratio = ours / theirs
        rows.append(
            {
                "measure": f"{name} (events/s)",
                "ours": round(ours),
                "compared_with": f"texts read again for every event: {theirs:.0f}",
                "ratio": round(ratio, 1),
                "goal": f"≥ {goal:,}/s" + (f", ≥ {times:g}x" if times else ""),
                "met": ours >= goal and (times is None or ratio >= times),
            }
        )
    return [*rows, *(_source_filter(name, text) for name, text in _SOURCE_EXPRS), _template()]


def _source_filter(name: str, text: str) -> dict[str, Any]:
    program, anew = expr.compile(text), expr.compile.__wrapped__
    if not program.passes(_events(1)[0].payload):
        raise RuntimeError(f"{text}: the event does not pass")
    ours = _rate(lambda event: program.passes(event.payload), _EVENTS)
    theirs = _rate(lambda event: anew(text).passes(event.payload), _EVENTS)
    return {
        "measure": f"filter of an event source, {name} (events/s)",
        "ours": round(ours),
        "compared_with": f"parsed again for every event: {theirs:.0f}",
        "ratio": round(ours / theirs, 1),
        "goal": "≥ 200,000/s, ≥ 20x",
        "met": ours >= 200_000 and ours / theirs >= 20,
    }


def _template() -> dict[str, Any]:
    program = gotemplate.compile(_TEMPLATE)
    anew = gotemplate.compile.__wrapped__
    if program.render(_events(1)[0].payload) != "MAIN":
        raise RuntimeError("the template gives another text")
    ours = _rate(lambda event: program.render(event.payload), _EVENTS)
    theirs = _rate(lambda event: anew(_TEMPLATE).render(event.payload), _EVENTS)
    return {
        "measure": "template parameter (renders/s)",
        "ours": round(ours),
        "compared_with": f"parsed again for every event: {theirs:.0f}",
        "ratio": round(ours / theirs, 1),
        "goal": "≥ 60,000/s, ≥ 10x",
        "met": ours >= 60_000 and ours / theirs >= 10,
    }
