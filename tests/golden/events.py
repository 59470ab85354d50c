"""Events as the cases write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tiphys.bus.event import Event

NAMESPACE: Final = "argo"


def event_of(written: Mapping[str, Any]) -> Event:
    """`data` is JSON, written with a space after commas and colons; `dataText` the bytes as they are; neither is no data."""
    data: bytes | None = None
    if "data" in written:
        data = json.dumps(written["data"], ensure_ascii=False).encode("utf-8", "surrogatepass")
    elif "dataText" in written:
        data = written["dataText"].encode("utf-8", "surrogatepass")
    return Event(
        id=written.get("id", ""),
        source=written.get("source", ""),
        type=written.get("type", ""),
        subject=written.get("subject", ""),
        namespace=NAMESPACE,
        data=data,
        time=written.get("time", ""),
        datacontenttype=written.get("datacontenttype", "application/json"),
    )


def events_of(written: Mapping[str, Mapping[str, Any]]) -> dict[str, Event]:
    """By dependency."""
    return {name: event_of(event) for name, event in written.items()}
