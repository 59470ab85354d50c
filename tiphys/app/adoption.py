"""Whose objects are run, where argo-events may be in the same cluster (`--adopt`).

    label tiphys.dev/adopt   mode `all`                                               mode `labelled`
    "true"                   ours                                                     ours
    any other value          left alone                                               left alone
    none                     ours, unless argo-events runs it: then left to it,       left alone
                             with a condition that says so

argo-events runs an object while there is a Deployment of its controller for it that asks for a pod. A new object gets its Deployment a
moment after we see it; so where argo-events is at work at all, an object that it has put its finalizer on, or that is younger than
`settle` seconds, is not ours yet. Where we may not see Deployments the finalizer has to do.

An object that changes hands is deleted from here, or comes as new: what it has decided is not lost (DESIGN section 3, deletion grace).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from tiphys.app.origins.status import OUR_TYPES
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError, Refused

__all__ = ["LABEL", "Adoption", "Mode", "Verdict"]

_log: Final = structlog.get_logger(__name__)

LABEL: Final = "tiphys.dev/adopt"
Mode = Literal["all", "labelled"]
_SETTLE: Final = 10.0
_CONTROLLERS: Final[Mapping[str, str]] = {"EventSource": "eventsource-controller", "Sensor": "sensor-controller"}
_SELECTOR: Final = f"controller in ({','.join(_CONTROLLERS.values())})"
_Owner = tuple[str, str, str]
"""Kind, namespace and name of an object that a Deployment is for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an object is ours. `why` and `reason` are for its status where it is not (empty: nothing to say); `again` the seconds after
    which to ask once more (0: only when something changes)."""

    ours: bool
    why: str = ""
    again: float = 0.0
    reason: str = "ArgoEventsRuns"


_OURS: Final = Verdict(ours=True)
_LEFT: Final = Verdict(ours=False)


class Adoption:
    """Knows the Deployments of argo-events. `changed` is called with the owner of each that comes or goes."""

    def __init__(
        self,
        kube: Kube,
        mode: Mode = "all",
        namespaces: Sequence[str] | None = None,
        *,
        settle: float = _SETTLE,
    ) -> None:
        self._kube, self.mode = kube, mode
        self._namespaces: Sequence[str | None] = tuple(dict.fromkeys(namespaces)) if namespaces else (None,)
        self._settle = settle
        self._deployments: dict[tuple[str, str], _Owner] = {}
        self._blind = self._finalizers = False
        self._synced = asyncio.Event()
        self._listeners: list[Callable[[_Owner], None]] = []

    def on_change(self, changed: Callable[[_Owner], None]) -> None:
        """From now on `changed` hears of each object whose verdict may be another."""
        self._listeners.append(changed)

    async def known(self, seconds: float = 10.0) -> None:
        """Wait until the Deployments are known, or cannot be known, or the time is over."""
        if self.mode == "labelled":
            return
        try:
            async with asyncio.timeout(seconds):
                await self._synced.wait()
        except TimeoutError:
            _log.warning("argo-events' Deployments are not known yet", action="adoption-unknown")

    def verdict(self, obj: Mapping[str, Any]) -> Verdict:
        """Whether an EventSource, Sensor or EventBus is ours now; other kinds always are. An EventBus with argo-events' finalizer is left
        alone, and nothing is said of it: no event comes of it."""
        metadata = obj.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        kind = str(obj.get("kind") or "")
        if kind not in _CONTROLLERS and kind != "EventBus":
            return _OURS
        labels = metadata.get("labels")
        label = labels.get(LABEL) if isinstance(labels, Mapping) else None
        if label is not None or self.mode == "labelled":
            return _OURS if label == "true" else _left(obj)
        if kind == "EventBus":
            return _LEFT if "eventbus-controller" in (metadata.get("finalizers") or ()) else _OURS
        owner = (kind, str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        if owner in self._deployments.values():
            return Verdict(ours=False, why=f"argo-events runs it, by its Deployment; {_REMEDY}")
        theirs = _CONTROLLERS[kind] in (metadata.get("finalizers") or ())
        self._finalizers = self._finalizers or theirs
        if not self._deployments and not (self._blind and self._finalizers):
            return _OURS  # argo-events is not at work here
        if theirs:
            unseen = " (Tiphys may not see Deployments: give it list and watch)" if self._blind else ""
            return Verdict(ours=False, why=f"argo-events has its finalizer on it{unseen}; {_REMEDY}")
        left = self._settle - _age(metadata)
        return Verdict(ours=False, again=left) if left > 0 else _OURS

    async def run(self) -> None:
        """Watch, for ever."""
        if self.mode == "labelled":
            return
        missing = set(self._namespaces)
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(
                    self._watch(namespace, missing), name=f"Deployments of argo-events in {namespace or 'all namespaces'}"
                )

    async def _watch(self, namespace: str | None, missing: set[str | None]) -> None:
        def arrived() -> None:
            missing.discard(namespace)
            if not missing:
                self._synced.set()

        def trouble(error: ClientError | None) -> None:
            if isinstance(error, Refused) and error.status == 403 and not self._blind:
                self._blind = True
                _log.warning(
                    "argo-events' Deployments cannot be seen; its finalizers tell what it runs",
                    action="adoption-blind",
                    error=str(error),
                )
                arrived()

        watch = self._kube.watch("apps/v1", "Deployment", namespace, label_selector=_SELECTOR, on_trouble=trouble)
        async with aclosing(watch) as events:
            async for event in events:
                if event.type == "SYNCED":
                    arrived()
                else:
                    self._note(event.object, there=event.type != "DELETED")

    def _note(self, deployment: KubeObject, *, there: bool) -> None:
        metadata = deployment["metadata"]
        place = (metadata.get("namespace") or "", metadata["name"])
        before = self._deployments.pop(place, None)
        owner = _owner(deployment) if there else None
        if owner is not None:
            self._deployments[place] = owner
        for one in {before, owner} - {None} if before != owner else ():
            assert one is not None  # noqa: S101  taken out above
            for listener in self._listeners:
                listener(one)


_REMEDY: Final = f'to have Tiphys run it, stop argo-events from doing so and label it {LABEL}: "true"'


def _owner(deployment: KubeObject) -> _Owner | None:
    """What a Deployment of argo-events is for; `None` for one that asks for no pod."""
    metadata = deployment["metadata"]
    labels = metadata.get("labels") or {}
    kinds = {controller: kind for kind, controller in _CONTROLLERS.items()}
    kind = kinds.get(labels.get("controller", ""))
    name = labels.get("owner-name")
    if kind is None or not name or (deployment.get("spec") or {}).get("replicas") == 0:
        return None
    return kind, metadata.get("namespace") or "", name


def _left(obj: Mapping[str, Any]) -> Verdict:
    """Left alone by its owner's wish. Nothing is said of that in its status, unless we have spoken there before."""
    status = obj.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    types = {one.get("type") for one in conditions if isinstance(one, Mapping)} if isinstance(conditions, list) else set()
    if types.isdisjoint(OUR_TYPES):
        return _LEFT
    return Verdict(ours=False, why=f'it does not carry the label {LABEL}: "true"', reason="NotAdopted")


def _age(metadata: Mapping[str, Any]) -> float:
    """Seconds since an object was made; long ago where it does not say."""
    try:
        made = datetime.fromisoformat(str(metadata["creationTimestamp"]))
        return (datetime.now(UTC) - made).total_seconds()
    except (KeyError, ValueError, TypeError):
        return float("inf")
