"""Which Workflows run: counted from the cluster, for `concurrency` (ours).

One watch of the Workflows that bear our label, begun when the first trigger asks for it. What was made a moment ago counts although the
watch has not told of it; what it told to have ended before its create was answered does not. While the cluster cannot be asked the last
answer holds, and before the first one nothing is known: `synced` says so.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from dispatcher.naming import FIRING_LABEL, LANE_LABEL
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError

__all__ = ["Live", "Running"]

_log = structlog.get_logger(__name__)
_API_VERSION: Final = "argoproj.io/v1alpha1"
_COMPLETED: Final = "workflows.argoproj.io/completed"
_ENDED: Final = frozenset(("Succeeded", "Failed", "Error"))
_REMEMBERED: Final = 4096
_UNSEEN: Final = 300.0


@dataclass(slots=True)
class Running:
    """A Workflow that runs, and the firing that made it. `since` is the loop's time at which we heard of it, `seen` says that the watch has
    told of it, `ending` that we have terminated it."""

    namespace: str
    name: str
    firing: str = ""
    created: str = ""
    since: float = 0.0
    seen: bool = False
    ending: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Live:
    """The Workflows that run, by the value of their label. `changed` hears of each value for which one has begun or ended, and of the
    empty one when the first list is there. Without `namespaces` all are watched."""

    def __init__(self, kube: Kube | None, namespaces: Sequence[str] = ()) -> None:
        self._kube = kube
        self._namespaces: Sequence[str | None] = tuple(namespaces) or (None,)
        self._missing = set(self._namespaces)
        self._lanes: dict[str, dict[tuple[str, str], Running]] = {}
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._wanted = asyncio.Event()
        self.changed: Callable[[str], None] = lambda _: None
        self.problem = ""

    @property
    def synced(self) -> bool:
        """Whether every namespace has been listed."""
        return not self._missing

    def want(self) -> None:
        """Begin to watch, if that has not begun."""
        self._wanted.set()

    async def run(self) -> None:
        """Watch, once somebody wants to know; until cancelled."""
        await self._wanted.wait()
        if self._kube is None:
            self.problem = "there is no Kubernetes API to ask"
            return
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._watch(self._kube, namespace), name=f"running Workflows in {namespace or 'all namespaces'}")

    async def _watch(self, kube: Kube, namespace: str | None) -> None:
        events = kube.watch(_API_VERSION, "Workflow", namespace, label_selector=LANE_LABEL, on_trouble=self._trouble)
        async with aclosing(events):
            async for event in events:
                if event.type == "SYNCED":
                    self._missing.discard(namespace)
                    if self.synced:
                        self.changed("")
                else:
                    self._told(event.object, gone=event.type == "DELETED")

    def _trouble(self, error: ClientError | None) -> None:
        if error is not None and not self.problem:
            _log.warning("the running Workflows cannot be counted", action="live-unknown", error=str(error))
        elif error is None and self.problem:
            _log.info("the running Workflows are counted again", action="live-known")
        self.problem = "" if error is None else str(error)
        if error is None:
            self.changed("")

    def _told(self, obj: KubeObject, *, gone: bool) -> None:
        metadata = obj["metadata"]
        key, labels = (metadata.get("namespace") or "", metadata["name"]), metadata.get("labels") or {}
        lane = labels.get(LANE_LABEL) or next((one for one, lane in self._lanes.items() if key in lane), "")
        ended = labels.get(_COMPLETED) == "true" or (obj.get("status") or {}).get("phase") in _ENDED
        if gone or ended:
            self._forget(lane, key)
            return
        running = self._lanes.setdefault(lane, {})
        if (known := running.get(key)) is not None:
            known.seen, known.created = True, metadata.get("creationTimestamp") or ""
            return
        running[key] = Running(*key, labels.get(FIRING_LABEL, ""), metadata.get("creationTimestamp") or "", self._now(), seen=True)
        self.changed(lane)

    def _forget(self, lane: str, key: tuple[str, str]) -> None:
        self._ended[key] = None
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        running = self._lanes.get(lane, {})
        if running.pop(key, None) is not None:
            if not running:
                del self._lanes[lane]
            self.changed(lane)

    def made(self, lane: str, namespace: str, name: str) -> None:
        """A Workflow was made; the watch will tell of it, or has done so."""
        key = (namespace, name)
        if key not in self._ended and key not in self._lanes.get(lane, {}):
            self._lanes.setdefault(lane, {})[key] = Running(namespace, name, since=self._now())

    def running(self, lane: str) -> list[Running]:
        """Those that run, the oldest first. One that we made and that the watch has never told of is not believed in for ever."""
        found = self._lanes.get(lane)
        if not found:
            return []
        now = self._now()
        lost = [key for key, one in found.items() if not one.seen and not self.problem and now - one.since > _UNSEEN]
        for key in lost:
            del found[key]
        return sorted(found.values(), key=lambda one: (one.created or "~", one.since))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
