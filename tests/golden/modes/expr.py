"""`expr`: a filter of an EventSource on an event's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tests.golden.compare import refused, same_json
from tiphys.errors import ExpressionError, JsonError
from tiphys.languages import expr, gojson
from tiphys.languages.expression.frame import Frame
from tiphys.languages.expression.values import outward


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        data = _decoded(asked["data"])
        program = expr.compile(asked["expression"])
        value = program.evaluate(expr.environment(data))
    except (ExpressionError, JsonError) as error:
        return {"filter": {"error": str(error)}}
    try:
        found = {"pass": program.passes(data)}
    except ExpressionError as error:
        return {"filter": {"error": str(error)}, "value": outward(Frame({}), value)}
    return {"filter": found, "value": value}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected) or "error" in expected["filter"]:
        return "error" in found["filter"] and ("value" not in expected or same_json(expected["value"], found.get("value")))
    return same_json(expected["filter"], found["filter"])


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return gojson.loads(text.encode())
