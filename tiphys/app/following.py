"""What the service does with what an origin tells: manifests to the catalog, everything else to the embedded API where there is one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import structlog

from tiphys.app.admission import KINDS
from tiphys.app.adoption import Adoption
from tiphys.app.catalog import Catalog, Key
from tiphys.app.origins import Change, ClusterOrigin, Origin
from tiphys.app.templates import is_template
from tiphys.clients.kube import Kube
from tiphys.errors import ClientError, Refused
from tiphys.schema.loader import Document

__all__ = ["Follower", "Left"]

_log = structlog.get_logger(__name__)
_ATTEMPTS: Final = 5


class Left(NamedTuple):
    """An object that is left to argo-events: its generation, and why, in words and in one word."""

    generation: int
    why: str
    reason: str


class Follower:
    """Follows one origin. `embedded` is the embedded API, which gets the Secrets, WorkflowTemplates and their like of files, and the
    namespaces that these name; `None` on a cluster, where such objects are the owner's to apply. `adoption` says which objects are ours;
    `None`: all of them."""

    def __init__(self, origin: Origin, catalog: Catalog, embedded: Kube | None = None, adoption: Adoption | None = None) -> None:
        self._origin, self._catalog, self._embedded, self._adoption = origin, catalog, embedded, adoption
        self._present: set[Key] = set()
        self._told: set[str] = set()
        self._namespaces: set[str] = set()
        self._objects: dict[Key, Change] = {}
        self._left: dict[Key, Left] = {}
        self._again: asyncio.Queue[Key] = asyncio.Queue()
        self._later: set[Key] = set()
        self._lock = asyncio.Lock()
        if adoption is not None:
            adoption.on_change(self._again.put_nowait)

    @property
    def left(self) -> Mapping[Key, Left]:
        """The objects that are left to argo-events."""
        return self._left

    async def run(self, answered: Callable[[], None]) -> None:
        """Follow for ever; `answered` is called once the origin has told everything that it has."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._changes(), name=f"changes of {self._origin.label}")
            group.create_task(self._answer(answered), name=f"answer of {self._origin.label}")
            if self._adoption is not None:
                group.create_task(self._decide_again(), name=f"adoption of {self._origin.label}")

    async def _answer(self, answered: Callable[[], None]) -> None:
        await self._origin.synced.wait()
        await self._catalog.synced(self._origin.label, frozenset(self._present))
        answered()

    async def _changes(self) -> None:
        if self._adoption is not None:
            await self._adoption.known()
        async with contextlib.aclosing(self._origin.changes()) as changes:
            async for change in changes:
                async with self._lock:
                    await self._take(change)

    async def _take(self, change: Change) -> None:
        key = (change.kind, change.namespace, change.name)
        document = change.document
        if document is None:
            self._objects.pop(key, None)
            self._left.pop(key, None)
            await self._remove(key)
        elif self._is_ours(key, change, document):
            self._present.add(key)
            await self._put(change, document)
        else:
            await self._remove(key)

    async def _remove(self, key: Key) -> None:
        self._present.discard(key)
        await self._catalog.delete(*key, self._origin.label)

    def _is_ours(self, key: Key, change: Change, document: Document) -> bool:
        if self._adoption is None or change.kind not in KINDS:
            return True
        self._objects[key] = change
        self._left.pop(key, None)
        verdict = self._adoption.verdict(document.object)
        if verdict.why:
            generation = document.object["metadata"].get("generation")
            self._left[key] = Left(generation if isinstance(generation, int) else 0, verdict.why, verdict.reason)
        if verdict.again and key not in self._later:
            self._later.add(key)
            asyncio.get_running_loop().call_later(verdict.again, self._ask_again, key)
        return verdict.ours

    def _ask_again(self, key: Key) -> None:
        self._later.discard(key)
        self._again.put_nowait(key)

    async def _decide_again(self) -> None:
        """What may have changed hands is looked at once more."""
        while True:
            key = await self._again.get()
            async with self._lock:
                change = self._objects.get(key)
                if change is not None:
                    await self._take(change)

    async def _put(self, change: Change, document: Document) -> None:
        ours = change.kind in KINDS
        if ours or is_template(change.kind, document.object):
            await self._catalog.put(document, self._origin.label)
        if isinstance(self._origin, ClusterOrigin):
            return
        if self._embedded is not None and change.namespace not in {"", *self._namespaces}:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": change.namespace}}
            await self._apply(self._embedded, change._replace(namespace=""), namespace)
            self._namespaces.add(change.namespace)
        if ours:
            return
        if self._embedded is not None:
            await self._apply(self._embedded, change, document.object)
        elif change.kind not in self._told:
            self._told.add(change.kind)
            _log.info("not applied: on a cluster apply it with kubectl", action="not-applied", kind=change.kind, where=change.where)

    async def _apply(self, kube: Kube, change: Change, obj: dict[str, Any]) -> None:
        """What was applied once stays there when its file goes: it may be in use."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await _create_or_update(kube, obj, change.namespace)
            except Refused as error:
                _log.error("an object is refused", action="apply-refused", where=change.where, error=str(error))
                return
            except ClientError as error:
                if attempt == _ATTEMPTS:
                    _log.error("an object could not be applied", action="apply-failed", where=change.where, error=str(error))
                    return
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return


async def _create_or_update(kube: Kube, obj: dict[str, Any], namespace: str) -> None:
    try:
        await kube.create(obj, namespace=namespace or None)
    except Refused as error:
        if error.status != 409:
            raise
        metadata = obj["metadata"]
        await kube.patch(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace") or namespace or None, obj)
