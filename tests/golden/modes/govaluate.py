"""`govaluate`: an expression of `filters.exprs` with its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.golden.compare import refused, same_json
from tiphys.errors import ExpressionError
from tiphys.languages import govaluate


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        program = govaluate.compile(asked["expression"])
        value = program.evaluate(json.loads(asked["parameters"]))
    except ExpressionError as error:
        return {"error": str(error)}
    return {"pass": value is True, "value": value, "vars": list(program.variables) or None}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected):
        return "error" in found
    return "error" not in found and all(
        same_json(expected[key], found[key]) for key in ("pass", "value", "vars") if key in expected
    )
