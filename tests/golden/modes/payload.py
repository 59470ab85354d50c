"""`payload`: the body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dispatcher.parameters import PayloadParameter, construct_payload
from tests.golden.compare import same_text as same
from tests.golden.events import events_of
from tiphys.errors import TriggerError
from tiphys.languages import gjson

__all__ = ["run", "same"]


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        payload = [PayloadParameter.model_validate(item) for item in asked["payload"]]
        body = construct_payload(payload, events_of(asked["events"]))
    except (ValidationError, TriggerError) as error:
        return {"error": str(error)}
    return {"text": gjson.decode(body), "valid": gjson.valid(body)}
