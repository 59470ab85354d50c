"""The status of EventBus objects. Here a bus is a name, and the service's own log serves it; but Argo CD and the like wait for a status,
and argo-events' conditions are what they know.

An EventBus that argo-events has its finalizer on is argo-events' to report on, unless it is labelled for us (`tiphys.app.adoption`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from tiphys.app.admission import API_VERSION, examine
from tiphys.app.adoption import LABEL, Mode
from tiphys.app.conditions import noticed
from tiphys.app.origins import Condition, StatusWriter
from tiphys.app.origins.cluster import ClusterDocument
from tiphys.clients.kube import Kube, KubeObject

__all__ = ["EventBuses", "bus_conditions"]

_CONTROLLER: Final = "eventbus-controller"
_KIND: Final = "EventBus"


def bus_conditions(obj: KubeObject) -> list[Condition]:
    """The conditions of one EventBus."""
    found = examine(ClusterDocument(obj, ""), "")
    if found.errors:
        problem = "\n".join(map(str, found.errors))
        return [
            Condition("Configured", "False", "InvalidSpec", problem),
            Condition("Deployed", "False", "InvalidSpec", "its events are kept in the service's own log all the same"),
            Condition("Ready", "False", "InvalidSpec", problem),
        ]
    made = [
        Condition("Configured", "True"),
        Condition("Deployed", "True", "Embedded", "the service's own log serves it; no server is run or joined for it"),
        Condition("Ready", "True"),
    ]
    if found.notices:
        made.append(noticed(found.notices))
    return made


class EventBuses:
    """Reports on the EventBuses of these namespaces (`None`: all)."""

    def __init__(self, kube: Kube, writer: StatusWriter, mode: Mode, namespaces: Sequence[str] | None = None) -> None:
        self._kube, self._writer, self._mode = kube, writer, mode
        self._namespaces: Sequence[str | None] = tuple(dict.fromkeys(namespaces)) if namespaces else (None,)

    async def run(self) -> None:
        """Watch and report, for ever."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._watch(namespace), name=f"EventBuses of {namespace or 'all namespaces'}")

    async def _watch(self, namespace: str | None) -> None:
        async with aclosing(self._kube.watch(API_VERSION, _KIND, namespace)) as events:
            async for event in events:
                if event.type == "SYNCED":
                    continue
                metadata = event.object["metadata"]
                place = (_KIND, metadata.get("namespace") or "", metadata["name"])
                if event.type == "DELETED" or metadata.get("deletionTimestamp") or not self._is_ours(metadata):
                    self._writer.forget(*place)
                else:
                    self._writer.set_conditions(*place, metadata.get("generation") or 0, bus_conditions(event.object))

    def _is_ours(self, metadata: Mapping[str, Any]) -> bool:
        label = (metadata.get("labels") or {}).get(LABEL)
        if label is not None or self._mode == "labelled":
            return bool(label == "true")
        return _CONTROLLER not in (metadata.get("finalizers") or ())
