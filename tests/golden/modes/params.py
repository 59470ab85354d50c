"""`params`: parameters applied to an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dispatcher.parameters import TriggerParameter, apply
from tests.golden.compare import same_text as same
from tests.golden.events import events_of
from tiphys.errors import TriggerError
from tiphys.languages import gjson

__all__ = ["run", "same"]


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        parameters = [TriggerParameter.model_validate(item) for item in asked["parameters"]]
        made = apply(parameters, asked["object"].encode("utf-8", "surrogatepass"), events_of(asked["events"]))
    except (ValidationError, TriggerError) as error:
        return {"error": str(error)}
    return {"text": gjson.decode(made), "valid": gjson.valid(made)}
