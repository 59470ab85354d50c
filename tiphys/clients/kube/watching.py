"""List, then watch, for ever.

The rules, and why:

* *A failed list is never an empty one.* What a list did not show counts as gone only after its last page has come; a list that breaks
  off half-way has told of changes, which are true, and of no deletion.
* *After a 410, or any refusal of the place to go on from, list again* and tell the differences, from the resourceVersions that were
  told before. A deletion found so carries the object's identity only: keeping every object for this would double the memory of
  whoever watches, and they have it already. An object that was deleted and made again in the meantime (another uid) is told as both.
* *After a cut, an end or silence, go on* from the last resourceVersion, which bookmarks keep fresh. A stream that was cut is no
  trouble; a list or a stream that cannot be opened is, and so are streams that end again and again before anything came.
* *Silence* is a time limit on each single read, so it runs while we wait for the server and never while the reader of this generator
  takes its time. A half-open connection ends the same way.

Followed: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "410 Gone responses".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from tiphys.clients.kube.api import KubeObject, OnWatchTrouble, Resource, WatchEvent
from tiphys.clients.kube.backoff import pause_after
from tiphys.clients.kube.discovery import Discovery, root_of
from tiphys.clients.kube.lines import Lines, LineTooLongError
from tiphys.clients.kube.settings import KubeSettings
from tiphys.clients.kube.transport import NotFound, Request, Transport
from tiphys.clients.kube.troubles import Troubles, kind_of
from tiphys.errors import ClientError, OutcomeUnknown, Refused, Unreachable

__all__ = ["Selection", "Watch", "collection_path", "pages"]

_SOME: Final = 3


class _Version(NamedTuple):
    uid: str
    resource_version: str


class _Ended(Exception):  # noqa: N818  a signal between two methods of one class
    """The stream is over, for a reason worth telling or none. `relist`: the place to go on from is lost."""

    def __init__(self, cause: ClientError | None = None, *, relist: bool = False) -> None:
        super().__init__(str(cause))
        self.cause, self.relist = cause, relist


@dataclass(frozen=True, slots=True)
class Selection:
    """What to list or watch; `namespace` `None` means all."""

    api_version: str
    kind: str
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""

    def __str__(self) -> str:
        narrowed = "".join(f" where {text}" for text in (self.label_selector, self.field_selector) if text)
        return f"watch of {self.kind} ({self.api_version}) in {self.namespace or 'all namespaces'}{narrowed}"

    def query(self) -> dict[str, str]:
        """Its query parameters."""
        chosen = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: text for name, text in chosen.items() if text}


def collection_path(resource: Resource, namespace: str | None) -> str:
    """The path of a collection, all namespaces where none is given."""
    inside = f"/namespaces/{quote(namespace, safe='')}" if resource.namespaced and namespace else ""
    return f"{root_of(resource.api_version)}{inside}/{resource.plural}"


async def pages(
    transport: Transport, resource: Resource, selection: Selection, limit: int, *, attempts: int | None = None
) -> AsyncGenerator[tuple[list[KubeObject], str], None]:
    """The pages of a list: objects and the list's resourceVersion. Raises what `Transport.read` raises; `Refused` 410 where the list
    grew too old between two pages."""
    path, token = collection_path(resource, selection.namespace), ""
    while True:
        query = {**selection.query(), "limit": str(limit), **({"continue": token} if token else {})}
        answer = await transport.read(Request("GET", path, query), attempts=attempts)
        metadata = answer.get("metadata") if isinstance(answer, dict) else None
        items = answer.get("items", "") if isinstance(answer, dict) else ""
        items = [] if items is None else items
        if not isinstance(metadata, dict) or not isinstance(items, list) or not all(map(_is_object, items)):
            raise OutcomeUnknown(f"GET {transport.server}{path}", "the answer is no list of objects")
        for item in items:
            item.setdefault("apiVersion", resource.api_version)  # lists of built-in types leave both out
            item.setdefault("kind", resource.kind)
        yield items, str(metadata.get("resourceVersion") or "")
        token = str(metadata.get("continue") or "")
        if not token:
            return


@dataclass
class Watch:
    """One watch of one selection. `events` is its whole life."""

    transport: Transport
    discovery: Discovery
    settings: KubeSettings
    troubles: Troubles
    selection: Selection
    on_trouble: OnWatchTrouble | None = None
    _known: dict[tuple[str, str], _Version] = field(default_factory=dict)
    _place: str = ""
    _resource: Resource | None = None
    _opened: float | None = None
    _failures: int = 0
    _troubled: str = ""

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """Events until the generator is closed; never ends by itself and raises nothing of a server's doing."""
        try:
            while True:
                self._opened = None
                try:
                    if not self._place:
                        async with aclosing(self._list()) as listed:
                            async for event in listed:
                                yield event
                    async with aclosing(self._follow()) as followed:
                        async for event in followed:
                            yield event
                except _Ended as end:
                    await self._after(end)
                except ClientError as error:
                    await self._after(_Ended(error, relist=_place_is_lost(error)))
        finally:
            self.troubles.drop(str(self.selection))

    async def _list(self) -> AsyncGenerator[WatchEvent, None]:
        self._resource = await self.discovery.resource(self.selection.api_version, self.selection.kind)
        seen: set[tuple[str, str]] = set()
        version = ""
        async with aclosing(pages(self.transport, self._resource, self.selection, self.settings.page, attempts=1)) as listing:
            async for items, place in listing:
                version = place
                for item in items:
                    seen.add(_key(item))
                    for event in self._told(item):
                        yield event
        for key in [key for key in self._known if key not in seen]:
            yield WatchEvent("DELETED", self._tombstone(key))
        self._place = version
        self._well()
        yield WatchEvent("SYNCED", {})

    def _told(self, item: KubeObject) -> Iterator[WatchEvent]:
        """What a present state of an object means, given what was told of it."""
        key, version = _key(item), _version(item)
        before = self._known.get(key)
        if before == version:
            return
        if before is not None and before.uid != version.uid:
            yield WatchEvent("DELETED", self._tombstone(key))
            before = None
        self._known[key] = version
        yield WatchEvent("ADDED" if before is None else "MODIFIED", item)

    def _tombstone(self, key: tuple[str, str]) -> KubeObject:
        version = self._known.pop(key)
        namespace, name = key
        metadata = {"name": name, "uid": version.uid, "resourceVersion": version.resource_version}
        if namespace:
            metadata["namespace"] = namespace
        return {"apiVersion": self.selection.api_version, "kind": self.selection.kind, "metadata": metadata}

    async def _follow(self) -> AsyncGenerator[WatchEvent, None]:
        assert self._resource is not None  # noqa: S101  set by _list, without which there is no place to go on from
        settings, lines = self.settings, Lines(self.settings.longest_line)
        lifetime = int(settings.watch_lifetime * random.uniform(1, 2))  # noqa: S311  no secret is drawn
        query = {
            **self.selection.query(),
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._place,
            "timeoutSeconds": str(max(1, lifetime)),
        }
        request = Request("GET", collection_path(self._resource, self.selection.namespace), query)
        async with self.transport.stream(request) as response:
            self._opened = asyncio.get_running_loop().time()
            if self._failures < _SOME:
                self._well()
            while True:
                try:
                    async with asyncio.timeout(settings.silence):
                        piece = await response.content.readany()
                except TimeoutError:
                    raise _Ended from None
                if not piece:
                    raise _Ended(OutcomeUnknown(str(self.selection), "the server ends every stream at once"))
                try:
                    for line in lines.feed(piece):
                        for event in self._understood(line):
                            yield event
                except LineTooLongError as error:
                    raise _Ended(OutcomeUnknown(str(self.selection), str(error)), relist=True) from error

    def _understood(self, line: bytes) -> Iterator[WatchEvent]:
        try:
            event = orjson.loads(line)
            kind, item = event["type"], event["object"]
            if kind == "ERROR":
                raise self._error(item)
            place = item["metadata"]["resourceVersion"]
            if kind in ("ADDED", "MODIFIED"):
                yield from self._told(item)
            elif kind == "DELETED" and self._known.pop(_key(item), None) is not None:
                yield WatchEvent("DELETED", item)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise _Ended(OutcomeUnknown(str(self.selection), "an event cannot be read"), relist=True) from error
        self._place = place

    def _error(self, status: Any) -> _Ended:
        code = status.get("code") if isinstance(status, dict) else None
        text = str(status.get("message", ""))[:500] if isinstance(status, dict) else ""
        if code == 410:
            return _Ended(relist=True)
        return _Ended(OutcomeUnknown(str(self.selection), f"the server ended it: {code} {text}"), relist=True)

    def _well(self) -> None:
        self.troubles.end(str(self.selection))
        if self._troubled:
            self._troubled = ""
            if self.on_trouble is not None:
                self.on_trouble(None)

    async def _after(self, end: _Ended) -> None:
        """Decide what comes next, and take the pause before it."""
        if self._opened is not None and asyncio.get_running_loop().time() >= self._opened + self.settings.lived:
            self._failures = 0
        self._failures += 1
        if isinstance(end.cause, NotFound) and self._resource is not None:
            self.discovery.forget(self._resource)
        # An API server that came back from an older backup refuses our place with a 5xx, for ever.
        astray = self._opened is None and isinstance(end.cause, OutcomeUnknown) and self._failures >= _SOME
        if end.relist or astray:
            self._place = ""
        gone = isinstance(end.cause, Refused) and end.cause.status == 410
        if end.cause is not None and (self._failures >= _SOME or (self._opened is None and not gone)):
            self._ill(end.cause)
        pause = pause_after(self._failures, self.settings.retry_first, self.settings.retry_most)
        if isinstance(end.cause, Refused) and end.cause.retry_after is not None:
            pause = max(pause, min(end.cause.retry_after, self.settings.retry_most))
        await asyncio.sleep(pause)

    def _ill(self, error: ClientError) -> None:
        shared = isinstance(error, Unreachable) or (isinstance(error, OutcomeUnknown) and error.target != str(self.selection))
        self.troubles.begin(self.transport.server if shared else str(self.selection), error)
        if self._troubled != (kind := kind_of(error)):
            self._troubled = kind
            if self.on_trouble is not None:
                self.on_trouble(error)


def _place_is_lost(error: ClientError) -> bool:
    """Whether a refused watch must list again: after all refusals but those that say nothing about the place."""
    return isinstance(error, Refused) and error.status not in (401, 403, 429)


def _is_object(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("metadata"), dict) and isinstance(item["metadata"].get("name"), str)


def _key(item: KubeObject) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def _version(item: KubeObject) -> _Version:
    metadata = item["metadata"]
    return _Version(metadata.get("uid") or "", metadata.get("resourceVersion") or "")
