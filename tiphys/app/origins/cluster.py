"""Manifests from a cluster, watched.

One watch for each kind and namespace. What we write ourselves must not come back as news: a change of `status` alone is none (but of
an EventBus, whose resolved `status.config` says how to join it).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import orjson

from tiphys.app.origins.origin import Change, Origin
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError
from tiphys.schema.loader import Document

__all__ = ["API_VERSION", "ClusterDocument", "ClusterOrigin"]

API_VERSION: Final = "argoproj.io/v1alpha1"
_HELD: Final = 256
_NOISE: Final = "kubectl.kubernetes.io/last-applied-configuration"
_STATUS_MATTERS: Final = frozenset({"EventBus"})


@dataclass(frozen=True, slots=True)
class ClusterDocument(Document):
    """An object of a cluster: it has an address, and no lines."""

    def where(self, path: Sequence[str | int] | str = ()) -> str:
        """The object's address."""
        return self.origin


class ClusterOrigin(Origin):
    """Watches objects of `argoproj.io/v1alpha1` through `kube`.

    `namespaces` `None` watches all. `kinds` are those to watch; one whose CRD is missing stands in `faults`, and is watched once it
    is there. `synced` waits for all of them.
    """

    def __init__(
        self,
        kube: Kube,
        *,
        namespaces: Sequence[str] | None = None,
        kinds: Sequence[str] = ("EventSource", "Sensor"),
        label: str = "cluster",
        on_fault: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(label, on_fault)
        self._kube = kube
        self._namespaces: Sequence[str | None] = tuple(dict.fromkeys(namespaces)) if namespaces is not None else (None,)
        self._kinds = tuple(dict.fromkeys(kinds))
        self._told: dict[tuple[str, str, str], bytes] = {}

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See `Origin.changes`."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_HELD)
        missing = len(self._kinds) * len(self._namespaces)
        tasks = [
            asyncio.create_task(self._watch(kind, namespace, queue), name=f"watch {kind} in {namespace or 'all namespaces'}")
            for kind in self._kinds
            for namespace in self._namespaces
        ]
        try:
            while True:
                change = await queue.get()
                if change is not None:
                    yield change
                    continue
                missing -= 1
                if missing == 0:
                    self.synced.set()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, kind: str, namespace: str | None, queue: asyncio.Queue[Change | None]) -> None:
        place = f"{kind} in {namespace or 'all namespaces'}"
        told = False

        def trouble(error: ClientError | None) -> None:
            self.faults.put(place, () if error is None else (str(error),), logged=True)

        async with aclosing(self._kube.watch(API_VERSION, kind, namespace, on_trouble=trouble)) as events:
            async for event in events:
                if event.type != "SYNCED":
                    if (change := self._change(kind, event.type, event.object)) is not None:
                        await queue.put(change)
                elif not told:
                    told = True
                    await queue.put(None)

    def _change(self, kind: str, event: str, obj: KubeObject) -> Change | None:
        metadata = obj["metadata"]
        key = (kind, metadata.get("namespace") or "", metadata["name"])
        where = f"{kind} {key[1]}/{key[2]}" if key[1] else f"{kind} {key[2]}"
        if event == "DELETED" or metadata.get("deletionTimestamp"):
            # A finalizer that nobody removes would otherwise keep a deleted Sensor firing.
            return Change(*key, None, where) if self._told.pop(key, None) is not None else None
        digest = _digest(obj)
        if self._told.get(key) == digest:
            return None
        self._told[key] = digest
        return Change(*key, ClusterDocument(_without_noise(obj), where), where)


def _digest(obj: KubeObject) -> bytes:
    """Of all that makes a difference. `generation` grows with each change outside of `status` and `metadata`."""
    metadata = obj["metadata"]
    parts = [metadata.get(name) for name in ("uid", "generation", "labels", "annotations")]
    if metadata.get("generation") is None or obj["kind"] in _STATUS_MATTERS:
        parts += [obj.get("spec"), obj.get("status")]
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _without_noise(obj: KubeObject) -> KubeObject:
    """Without the second and third copy of itself that an object carries."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if _NOISE in (annotations := metadata.get("annotations") or {}):
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != _NOISE}
    return {**obj, "metadata": metadata}
