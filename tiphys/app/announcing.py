"""Kubernetes Events on the objects that they are about, for `kubectl describe` and whoever collects Events.

Told are changes of conditions and firings that were given up; the whole history is the journal's. Events are a courtesy: they never hold
anything up, and what cannot be written is counted and dropped. They cannot flood either: the same thing said again is the same Event with a
higher count (its name is made from what it says, so that holds over restarts too), each object has a bucket of `burst` Events that
fills by one each `refill` seconds, and one writer works off a queue of bounded length.

Followed: `v1.Event`, which is what `kubectl describe` of every version reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from tiphys.app.origins import Condition
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError, Refused

__all__ = ["Announcer"]

_log: Final = structlog.get_logger(__name__)
_COMPONENT: Final = "tiphys"
_LONGEST: Final = 1024
_QUEUE: Final = 1000
_OBJECTS: Final = 10_000
_DIGEST: Final = 16
_NAME_MOST: Final = 253
_QUIET: Final = 300.0  # seconds without another try where we may not write Events
_REPEATED: Final = frozenset(
    ("Ready", "Deployed", "SourcesProvided", "DependenciesProvided", "TriggersProvided", "LeftToArgoEvents")
)
_WELL: Final = {
    "Accepted": "this version runs",
    "Listening": "its sources hear their world",
    "Filtering": "its filters can be evaluated",
    "Acting": "it can act as its service account",
}
Level = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    level: Level
    reason: str
    message: str

    @property
    def own_name(self) -> str:
        said = f"{self.uid}\0{self.level}\0{self.reason}\0{self.message}"
        return f"{self.name[: _NAME_MOST - _DIGEST - 1]}.{hashlib.sha256(said.encode()).hexdigest()[:_DIGEST]}"


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Announcer:
    """Writes Events; `run` is its work, the rest returns at once."""

    def __init__(self, kube: Kube, *, burst: int = 10, refill: float = 30.0) -> None:
        self._kube = kube
        self._burst, self._refill = burst, refill
        self._buckets: OrderedDict[tuple[str, str, str], _Bucket] = OrderedDict()
        self._queue: asyncio.Queue[_Event] = asyncio.Queue(_QUEUE)
        self._host = socket.gethostname()
        self._refused_until = 0.0
        self._troubled = ""
        self.dropped = 0

    def conditions(self, obj: KubeObject, changed: Sequence[Condition]) -> None:
        """An object's conditions changed (`tiphys.app.origins.OnWritten`). Those of argo-events that repeat ours are not told twice."""
        for condition in changed:
            if condition.type in _REPEATED or condition.status == "Unknown":
                continue
            if condition.type == "Notices":
                level: Level = "Warning" if condition.reason == "Warnings" else "Normal"
                self.announce(obj, level, condition.type, condition.message)
            elif condition.status == "False":
                self.announce(obj, "Warning", condition.reason or condition.type, condition.message)
            elif condition.type in _WELL:
                self.announce(obj, "Normal", condition.type, _WELL[condition.type])

    def announce(self, obj: KubeObject, level: Level, reason: str, message: str) -> None:
        """Say something about an object of the cluster; `reason` is one CamelCase word."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        if not self._may_speak((obj["kind"], namespace, name)):
            self.dropped += 1
            return
        shown = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        event = _Event(obj["kind"], obj["apiVersion"], namespace, name, metadata.get("uid") or "", level, reason, shown)
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped += 1

    def _may_speak(self, key: tuple[str, str, str]) -> bool:
        now = time.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > _OBJECTS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.left = min(float(self._burst), bucket.left + (now - bucket.at) / self._refill)
        bucket.at = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    async def run(self) -> None:
        """Write what was said, one after the other, for ever."""
        while True:
            event = await self._queue.get()
            if time.monotonic() < self._refused_until:
                self.dropped += 1
                continue
            try:
                await self._write(event)
            except ClientError as error:
                self._failed(error)
            else:
                self._recovered()

    async def _write(self, event: _Event) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            await self._kube.create(self._object(event, now))
        except Refused as refusal:
            if refusal.status != 409:
                raise
            found = await self._kube.get("v1", "Event", event.own_name, event.namespace) or {}
            count = found.get("count")
            again = {"count": (count if isinstance(count, int) else 1) + 1, "lastTimestamp": now}
            await self._kube.patch("v1", "Event", event.own_name, event.namespace, again)

    def _object(self, event: _Event, now: str) -> dict[str, Any]:
        about = {
            "apiVersion": event.api_version,
            "kind": event.kind,
            "namespace": event.namespace,
            "name": event.name,
            **({"uid": event.uid} if event.uid else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event.own_name, "namespace": event.namespace},
            "involvedObject": about,
            "type": event.level,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self._host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _failed(self, error: ClientError) -> None:
        self.dropped += 1
        gone = isinstance(error, Refused) and error.status == 404  # its namespace goes away
        if isinstance(error, Refused) and error.status == 403 and "terminat" not in str(error):
            self._refused_until = time.monotonic() + _QUIET
        kind = f"{type(error).__name__} {getattr(error, 'status', '')}"
        if not gone and self._troubled != kind:
            self._troubled = kind
            _log.warning("Events cannot be written", action="events-trouble", error=str(error))

    def _recovered(self) -> None:
        if self._troubled:
            self._troubled = ""
            _log.info("Events are written again", action="events-recovered")
