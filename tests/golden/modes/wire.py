"""`wire`: an event to the bus and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.golden.compare import refused, same_json
from tests.golden.events import NAMESPACE, event_of
from tiphys.bus.wire import from_wire, sensor_event_json, to_wire
from tiphys.errors import WireError


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        message = to_wire(event_of(asked))
    except WireError as error:
        return {"error": str(error)}
    found: dict[str, Any] = {"wire": message.decode()}
    try:
        found["sensorEvent"] = sensor_event_json(from_wire(message, NAMESPACE)).decode()
    except WireError as error:
        found["error"] = str(error)
    return found


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if "wire" in expected and not same_json(json.loads(expected["wire"]), json.loads(found.get("wire", "null"))):
        return False
    return "error" in found if refused(expected) else expected.get("sensorEvent") == found.get("sensorEvent")
