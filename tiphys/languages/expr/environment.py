"""What an EventSource's filter can see: the event's data and argo-events' functions (`pkg/shared/expr`, reference 3.1.3).

Names with `-` have `_` in its place, names with dots become maps (`{"a.b": 1}` is `a.b`), and the functions win over data of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tiphys.languages import jsonpath
from tiphys.languages.expr.builtins import to_float64, to_integer
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.values import Int
from tiphys.languages.golang import json_text
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig import FUNCTIONS as SPRIG

__all__ = ["FUNCTIONS", "expanded"]

_MOST_DOTS: Final = 64


def expanded(data: Any) -> Mapping[str, Any]:
    """The names of an event's data. Raises `Fault` for data that is no object (`null` counts as an empty one)."""
    if type(data) is not dict:
        if data is None:
            return {}
        raise Fault("the event's data is no JSON object", "filter in the Sensor, which takes any data")
    if not any("-" in name or "." in name for name in data):
        return data
    renamed = {name.replace("-", "_"): value for name, value in data.items()}
    return _grown(renamed) if any("." in name for name in renamed) else renamed


def _grown(names: Mapping[str, Any]) -> Mapping[str, Any]:
    """Dotted names as maps. The more specific name wins: with `a.b` there is no `a` beside it."""
    grown: dict[str, Any] = {}
    made = {id(grown)}
    for name in sorted(names, reverse=True):  # `a.b` before `a`
        if name.startswith(".") or name.count(".") > _MOST_DOTS:
            raise Fault("the event's data has a name that begins with a dot, or one of too many dots", "filter in the Sensor")
        *path, last = name.split(".")
        at = grown
        for part in path:
            below = at.setdefault(part, {})
            if id(below) not in made:
                if below:
                    break
                made.add(id(below))
            at = below
        else:
            at.setdefault(last, names[name])
    return grown


def _to_json(value: Any) -> str:
    try:
        return json_text.marshal(value)
    except GoError:
        return ""


def _jsonpath(text: str, path: str) -> Any:
    return jsonpath.query(path, json_text.unmarshal(text))


def _converted(name: str, convert: Any) -> Function:
    """The language's `int` and `float` under argo-events' old names."""

    def call(value: Any) -> Any:
        try:
            return convert(Frame({}), Int(value) if type(value) is int else value)
        except Fault as fault:
            raise GoError(fault.problem) from fault

    return Function(name, ("interface{}",), call)


FUNCTIONS: Final[Mapping[str, Any]] = {
    "asInt": _converted("asInt", to_integer),
    "asFloat": _converted("asFloat", to_float64),
    "jsonpath": Function("jsonpath", ("string", "string"), _jsonpath),
    "toJson": Function("toJson", ("interface{}",), _to_json, "string"),
    "sprig": dict(SPRIG),
}
"""The functions by name; `sprig` is a map of its own."""
