"""The rules of comparison that several modes share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def refused(expected: Mapping[str, Any]) -> bool:
    """Whether argo-events refuses, or dies of it: then any refusal is right, and its text never counts."""
    return any(key in expected for key in ("error", "panic", "crash"))


def same_text(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Exact text, or a refusal."""
    if refused(expected):
        return "error" in found
    return all(expected[key] == found.get(key) for key in ("text", "valid") if key in expected)


def same_json(expected: Any, found: Any) -> bool:
    """Equal as JSON: the order of keys is nothing, 10 is 10.0, `true` is no 1. `{"$float": …}` is that number, `{"$go": …}` anything."""
    if isinstance(expected, dict) and set(expected) == {"$go"}:
        return True
    if isinstance(expected, dict) and set(expected) == {"$float"}:
        expected = float(expected["$float"])
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same_json(value, found[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same_json, expected, found))
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        # a float64 in Go prints as the shortest integer that reads as the same number
        return expected == found or float(expected) == float(found) or (math.isnan(expected) and math.isnan(found))
    return bool(expected == found)
