"""`template`: one parameter's source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dispatcher.parameters import TriggerParameterSource, resolve
from tests.golden.compare import refused
from tests.golden.events import events_of
from tiphys.errors import TriggerError


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        resolved = resolve(TriggerParameterSource.model_validate(asked["src"]), events_of(asked["events"]))
    except (ValidationError, TriggerError) as error:
        return {"error": str(error)}
    return {"none": True} if resolved is None else {"value": resolved.text, "type": str(resolved.type)}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected):
        return "error" in found
    if "none" in expected:
        return "none" in found
    return all(expected[key] == found.get(key) for key in ("value", "type"))
