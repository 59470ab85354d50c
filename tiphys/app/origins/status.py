"""Conditions in the status of EventSources and Sensors, where `kubectl get` and dashboards look for them.

Written only when they change, at most once in `interval` for an object however fast it changes, a few at a time, and by a merge patch
of `/status`. A list in a merge patch replaces the whole list, so the one that stands there is read first: argo-events' own condition
types that we do not set stay, those of ours that nobody asks for any more go, and `lastTransitionTime` moves only where `status` does
(reference 8.1). Somebody else may write in between: the patch names the resourceVersion that was read, and after a conflict the object
is read again. A server that is away, or a right that is missing, is tried again with back-off, and is never waited for by whoever
reports a condition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from tiphys.app.origins.cluster import API_VERSION
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError, Refused

__all__ = ["Condition", "OnWritten", "StatusWriter"]

_log: Final = structlog.get_logger(__name__)
_LONGEST: Final = 1024
_LARGEST_POWER: Final = 10
_Key = tuple[str, str, str]

OUR_TYPES: Final = frozenset(("Accepted", "Acting", "Filtering", "LeftToArgoEvents", "Listening", "Notices", "Ready", "Serving"))
"""The types of conditions that nobody else writes."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `type` and `reason` are CamelCase words, `message` is for people (cut at 1 KiB)."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""

    def as_dict(self, since: str) -> dict[str, str]:
        """As it stands in the object; `since` is its lastTransitionTime."""
        made = {"type": self.type, "status": self.status, "lastTransitionTime": since}
        return made | {name: text for name, text in (("reason", self.reason), ("message", _shown(self.message))) if text}


OnWritten = Callable[[KubeObject, Sequence[Condition]], None]
"""Called with an object and the conditions that are new or say something else than before, once they stand there. Must not raise."""


@dataclass(slots=True)
class _Target:
    """An object: what shall stand there, and what we wrote last. `due` is in the loop's time."""

    wanted: tuple[int, tuple[Condition, ...]]
    written: tuple[int, tuple[Condition, ...]] | None = None
    due: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None


class StatusWriter:
    """Writes conditions to a cluster; an async context manager, whose end writes no more.

    `interval`: seconds between two writes to one object. `most`: seconds of the longest pause after failures. `parallel`: writes at
    once. `written` hears of each change.
    """

    def __init__(
        self, kube: Kube, *, interval: float = 1.0, most: float = 60.0, parallel: int = 4, written: OnWritten | None = None
    ) -> None:
        self._kube = kube
        self._written = written
        self._interval = interval
        self._most = most
        self._places = asyncio.Semaphore(parallel)
        self._targets: dict[_Key, _Target] = {}
        self._troubled = ""

    async def __aenter__(self) -> StatusWriter:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [target.task for target in self._targets.values() if target.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def set_conditions(self, kind: str, namespace: str, name: str, generation: int, conditions: Sequence[Condition]) -> None:
        """What shall stand in the object's status; returns at once. `generation` is that of the manifest that was judged."""
        wanted = (generation, tuple(sorted(conditions, key=lambda condition: condition.type)))
        target = self._targets.get((kind, namespace, name))
        if target is None:
            target = self._targets[kind, namespace, name] = _Target(wanted)
        target.wanted = wanted
        if target.task is None and target.wanted != target.written:
            target.task = asyncio.create_task(
                self._write((kind, namespace, name), target), name=f"status of {kind} {namespace}/{name}"
            )

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone."""
        target = self._targets.pop((kind, namespace, name), None)
        if target is not None and target.task is not None:
            target.task.cancel()

    async def _write(self, key: _Key, target: _Target) -> None:
        loop = asyncio.get_running_loop()
        try:
            while target.wanted != target.written:
                await asyncio.sleep(max(0.0, target.due - loop.time()))
                async with self._places:
                    wanted = target.wanted
                    try:
                        there = await self._put(key, *wanted)
                    except ClientError as error:
                        if not _is_conflict(error):
                            self._failed(key, target, error)
                        else:
                            target.due = loop.time() + self._interval
                        continue
                target.due, target.failures = loop.time() + self._interval, 0
                target.written = wanted
                self._recovered()
                if not there:
                    self._targets.pop(key, None)
                    return
        finally:
            target.task = None

    async def _put(self, key: _Key, generation: int, conditions: tuple[Condition, ...]) -> bool:
        """False if the object is not there any more."""
        kind, namespace, name = key
        obj = await self._kube.get(API_VERSION, kind, name, namespace)
        if obj is None:
            return False
        status = obj.get("status")
        before = status if isinstance(status, dict) else {}
        merged = merge(before.get("conditions"), conditions, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if merged == before.get("conditions") and before.get("observedGeneration") == generation:
            return True
        body = {
            "metadata": {"resourceVersion": obj["metadata"].get("resourceVersion")},
            "status": {"conditions": merged, "observedGeneration": generation},
        }
        await self._kube.patch(API_VERSION, kind, name, namespace, body, subresource="status")
        if self._written is not None:
            self._written(obj, _news(before, generation, conditions))
        return True

    def _failed(self, key: _Key, target: _Target, error: ClientError) -> None:
        target.failures += 1
        pause = min(self._most, self._interval * 2.0 ** min(target.failures, _LARGEST_POWER))
        if isinstance(error, Refused) and error.retry_after is not None:
            pause = max(pause, error.retry_after)
        target.due = asyncio.get_running_loop().time() + pause
        kind = f"{type(error).__name__} {getattr(error, 'status', '')}"
        if self._troubled != kind:
            self._troubled = kind
            _log.warning("status: conditions cannot be written", action="status_trouble", object="/".join(key), error=str(error))

    def _recovered(self) -> None:
        if self._troubled:
            self._troubled = ""
            _log.info("status: conditions are written again", action="status_recovered")


def _is_conflict(error: ClientError) -> bool:
    """Somebody wrote between our reading and our writing."""
    return isinstance(error, Refused) and error.status == 409


def _news(before: dict[str, Any], generation: int, wanted: Sequence[Condition]) -> list[Condition]:
    """The conditions that say something else than those that stand there; that a new version is accepted is news too."""
    entries = before.get("conditions")
    old = {
        entry.get("type"): (entry.get("status"), entry.get("reason") or "", entry.get("message") or "")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    }
    newer = before.get("observedGeneration") != generation
    return [
        condition
        for condition in wanted
        if old.get(condition.type) != (condition.status, condition.reason, _shown(condition.message))
        or (newer and condition.type == "Accepted")
    ]


def _shown(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def merge(present: Any, wanted: Sequence[Condition], now: str) -> list[dict[str, Any]]:
    """The conditions that stand there with the wanted ones in place, by type, and without ours that are not wanted."""
    entries = present if isinstance(present, list) else ()
    old = {entry["type"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("type"), str)}
    merged = {kind: entry for kind, entry in old.items() if kind not in OUR_TYPES}
    for condition in wanted:
        before = old.get(condition.type, {})
        since = before.get("lastTransitionTime") if before.get("status") == condition.status else None
        merged[condition.type] = condition.as_dict(since if isinstance(since, str) else now)
    return [merged[kind] for kind in sorted(merged)]
