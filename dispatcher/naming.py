"""Names and labels of the objects that a firing makes (DESIGN section 3, One object per firing).

A name is derived, not drawn: the same firing gives the same name at every attempt, so that a second create meets the first one's object
instead of making another. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from tiphys.bus.firing import TriggerKey
from tiphys.errors import TriggerError, shorten

__all__ = [
    "FIRING_LABEL",
    "LANE_LABEL",
    "LAST_FIRING",
    "MAX_GENERATED",
    "SENSOR_LABEL",
    "TIMESTAMP_LABEL",
    "TRIGGER_LABEL",
    "generated_name",
    "label_value",
    "lane_label",
    "object_name",
]

MAX_GENERATED: Final = 63
"""Characters of the longest generated name, as in Kubernetes: it fits a DNS label, and so a Pod's or a Service's name too."""

FIRING_LABEL: Final = "tiphys.dev/firing"
LANE_LABEL: Final = "tiphys.dev/lane"
"""By which the Workflows of a trigger with `concurrency` are counted."""
LAST_FIRING: Final = "tiphys.dev/last-firing"
"""The annotation of an object that a firing changed."""
SENSOR_LABEL: Final = "events.argoproj.io/sensor"
TRIGGER_LABEL: Final = "events.argoproj.io/trigger"
TIMESTAMP_LABEL: Final = "events.argoproj.io/action-timestamp"

_MAX_LABEL: Final = 63
_NOT_IN_LABELS: Final = re.compile(r"[^A-Za-z0-9._-]")


def generated_name(prefix: str, firing_id: str) -> str:
    """`prefix` (a `generateName`) followed by the firing's id, at most 63 characters; a longer prefix is cut and ends in a dash."""
    room = MAX_GENERATED - len(firing_id)
    if len(prefix) > room:
        prefix = prefix[: room - 1].rstrip("-.") + "-"
    return prefix + firing_id


def object_name(metadata: Mapping[str, Any], firing_id: str) -> str:
    """The name that an object shall have: `metadata.name` if there is one, else made from `generateName`.

    Whether the characters may stand in a name of that kind is the server's to say. Raises `TriggerError` `InvalidObject` if there is
    neither or one is no text.
    """
    for key in ("name", "generateName"):
        value = metadata.get(key)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise TriggerError("InvalidObject", f"metadata.{key} is {shorten(value)} and must be text; set it without useRawData")
        return value if key == "name" else generated_name(value, firing_id)
    raise TriggerError("InvalidObject", "metadata has neither a name nor a generateName; add generateName: my-prefix-")


def label_value(text: str) -> str:
    """`text` as a label's value: what may not stand there becomes `_`, at most 63 characters, alphanumeric at both ends."""
    return _NOT_IN_LABELS.sub("_", text)[:_MAX_LABEL].strip("._-")


def lane_label(key: TriggerKey, lane: str) -> str:
    """The label's value by which the Workflows of a trigger and a key (empty: of the whole trigger) are counted."""
    return hashlib.sha256("\0".join((*key, lane)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
