"""What the service does with what an origin tells: manifests to the catalog, everything else to the embedded API where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

import structlog

from tiphys.app.admission import KINDS, identity
from tiphys.app.catalog import Catalog
from tiphys.app.origins import Key
from tiphys.app.templates import TEMPLATE_KINDS
from tiphys.clients.kube import Kube
from tiphys.errors import ClientError, FieldError, Refused
from tiphys.schema.loader import Document

__all__ = ["Follower"]

_log = structlog.get_logger(__name__)
_ATTEMPTS: Final = 5


class Follower:
    """A `Sink`. `embedded` is the embedded API, which gets the Secrets, WorkflowTemplates and their like of files; `None` on a cluster,
    where such objects are the owner's to apply."""

    def __init__(self, catalog: Catalog, namespace: str, embedded: Kube | None, answered: asyncio.Event) -> None:
        self._catalog, self._namespace, self._embedded, self._answered = catalog, namespace, embedded, answered
        self._told: set[str] = set()

    async def put(self, document: Document, origin: str) -> None:
        """As `Sink.put`."""
        kind, namespace, name = identity(document.object, self._namespace)
        if kind in KINDS or kind in TEMPLATE_KINDS:
            await self._catalog.put(document, origin)
        if kind in KINDS:
            return
        if self._embedded is not None:
            await self._apply(self._embedded, document, namespace)
        elif kind not in TEMPLATE_KINDS and kind not in self._told:
            self._told.add(kind)
            _log.info("not applied: on a cluster apply it with kubectl", action="not-applied", kind=kind, name=f"{namespace}/{name}")

    async def _apply(self, kube: Kube, document: Document, namespace: str) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await _create_or_update(kube, document.object, namespace)
            except Refused as error:
                _log.error("an object is refused", action="apply-refused", where=document.where("metadata.name"), error=str(error))
                return
            except ClientError as error:
                if attempt == _ATTEMPTS:
                    _log.error("an object could not be applied", action="apply-failed", where=document.where(), error=str(error))
                    return
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return

    async def delete(self, kind: str, namespace: str, name: str, origin: str) -> None:
        """As `Sink.delete`. What was applied to the embedded API stays there: it may be in use."""
        await self._catalog.delete(kind, namespace, name, origin)

    async def unreadable(self, errors: Collection[FieldError], origin: str) -> None:
        """As `Sink.unreadable`."""
        for error in errors:
            _log.error("a file of manifests cannot be read", action="manifest-unreadable", origin=origin, error=str(error))

    async def synced(self, origin: str, present: Collection[Key]) -> None:
        """As `Sink.synced`."""
        await self._catalog.synced(origin, present)
        self._answered.set()


async def _create_or_update(kube: Kube, obj: dict[str, Any], namespace: str) -> None:
    try:
        await kube.create(obj, namespace=namespace)
    except Refused as error:
        if error.status != 409:
            raise
        metadata = obj["metadata"]
        await kube.patch(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace") or namespace, obj)
