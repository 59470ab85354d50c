"""`condexpr`: the text of `conditions` and its truth table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensors import conditions
from tests.golden.compare import refused
from tiphys.errors import ConditionError


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        condition = conditions.compile(asked["conditions"], asked["dependencies"])
    except ConditionError as error:
        return {"error": str(error)}
    return {"fires": [condition.evaluate(names) for names in asked["received"]], "requiresAnd": condition.requires_and}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected):
        return "error" in found
    return all(expected[key] == found.get(key) for key in ("fires", "requiresAnd") if key in expected)
