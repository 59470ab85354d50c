"""What the service does with what an origin tells: manifests to the catalog, everything else to the embedded API where there is one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from tiphys.app.admission import KINDS
from tiphys.app.catalog import Catalog, Key
from tiphys.app.origins import Change, ClusterOrigin, Origin
from tiphys.app.templates import TEMPLATE_KINDS
from tiphys.clients.kube import Kube
from tiphys.errors import ClientError, Refused
from tiphys.schema.loader import Document

__all__ = ["Follower"]

_log = structlog.get_logger(__name__)
_ATTEMPTS: Final = 5


class Follower:
    """Follows one origin. `embedded` is the embedded API, which gets the Secrets, WorkflowTemplates and their like of files, and the
    namespaces that these name; `None` on a cluster, where such objects are the owner's to apply."""

    def __init__(self, origin: Origin, catalog: Catalog, embedded: Kube | None = None) -> None:
        self._origin, self._catalog, self._embedded = origin, catalog, embedded
        self._present: set[Key] = set()
        self._told: set[str] = set()
        self._namespaces: set[str] = set()

    async def run(self, answered: Callable[[], None]) -> None:
        """Follow for ever; `answered` is called once the origin has told everything that it has."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._changes(), name=f"changes of {self._origin.label}")
            group.create_task(self._answer(answered), name=f"answer of {self._origin.label}")

    async def _answer(self, answered: Callable[[], None]) -> None:
        await self._origin.synced.wait()
        await self._catalog.synced(self._origin.label, frozenset(self._present))
        answered()

    async def _changes(self) -> None:
        async with contextlib.aclosing(self._origin.changes()) as changes:
            async for change in changes:
                key = (change.kind, change.namespace, change.name)
                if change.document is None:
                    self._present.discard(key)
                    await self._catalog.delete(*key, self._origin.label)
                else:
                    self._present.add(key)
                    await self._put(change, change.document)

    async def _put(self, change: Change, document: Document) -> None:
        ours = change.kind in KINDS
        if ours or change.kind in TEMPLATE_KINDS:
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
