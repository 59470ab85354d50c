"""Secrets and config maps, read once and then kept by watching.

An object that is referenced is watched, so that a rotated value takes effect at once, and one that was read stays in memory while
the API server is away. Only the values of referenced objects are kept: not their neighbours, not their metadata.

*Which watches.* Each object has a watch of its own (`metadata.name=…`), as the kubelet does it: a role whose `resourceNames` list
just these objects allows it, and nothing else of the namespace passes through this process. A connection per object does not scale,
though, so with more than `own_watches` objects of a kind in one namespace a single watch of the namespace takes their place, and an
object that is referenced later is fetched once; where the role does not allow that watch, each object has its own as before. The rights
needed are thus `get`, `list` and `watch` on the named objects, or on the namespace where it has many.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tiphys.clients.kube.api import Kube, KubeObject, OnWatchTrouble, WatchEvent
from tiphys.errors import ClientError, Refused, SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef

__all__ = ["KubeSecrets", "values_of"]

Kind = Literal["Secret", "ConfigMap"]
_API: Final = "v1"


@dataclass(slots=True)
class _Entry:
    """What is known of one object. `values` is `None` for an absent one and means nothing before `known` is set."""

    name: str
    known: asyncio.Event = field(default_factory=asyncio.Event)
    values: Mapping[str, bytes] | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    watch: asyncio.Task[None] | None = None

    def learn(self, obj: KubeObject | None) -> None:
        self.values, self.faults = (None, {}) if obj is None else values_of(obj)
        self.problem = ""
        self.known.set()
        self.heard.set()

    def trouble(self, error: ClientError | None) -> None:
        self.problem = "" if error is None else str(error)
        if error is not None:
            self.heard.set()
        elif not self.known.is_set():
            self.heard.clear()


@dataclass(slots=True)
class _Shelf:
    """The referenced objects of one kind in one namespace, the least recently read first. `watch` is that of the namespace, where
    there is one; `answered` is set when it has begun to work or to fail."""

    kind: Kind
    namespace: str
    entries: OrderedDict[str, _Entry] = field(default_factory=OrderedDict)
    watch: asyncio.Task[None] | None = None
    synced: bool = False
    forbidden: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class KubeSecrets:
    """`tiphys.schema.secret.Secrets` over a Kubernetes API. An async context manager: its watches end with the block.

    `first_read`: seconds that a reader waits for an object that was never read. `own_watches`: as in the module's text. `most`: objects
    that are kept; the least recently read ones of a namespace go first.
    """

    def __init__(self, kube: Kube, *, first_read: float = 5.0, own_watches: int = 4, most: int = 5000) -> None:
        self._kube = kube
        self._first_read = first_read
        self._own_watches = own_watches
        self._most = most
        self._shelves: dict[tuple[Kind, str], _Shelf] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> KubeSecrets:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all watches; what was read is forgotten."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shelves.clear()

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        """The value, as stored; `b""` for an absent optional one. Raises `SecretError`: `known` is false where it was never read and
        cannot be read now."""
        return await self._value("Secret", namespace, ref)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        """The value, from `data` or `binaryData`; `b""` for an absent optional one. Raises `SecretError`."""
        return await self._value("ConfigMap", namespace, ref)

    async def _value(self, kind: Kind, namespace: str, ref: SecretRef | ConfigMapRef) -> bytes:
        if not ref.name:
            return self._absent(namespace, ref, f"the reference names no {kind}")
        entry = self._entry(kind, namespace, ref.name)
        if not entry.known.is_set():
            await self._first(entry)
        if not entry.known.is_set():
            problem = entry.problem or f"no answer within {self._first_read:g} s"
            raise SecretError(namespace, ref.name, ref.key, f"the {kind} cannot be read now: {problem}", known=False)
        if entry.values is None:
            return self._absent(namespace, ref, f"there is no such {kind}; create it")
        if ref.key in entry.faults:
            raise SecretError(namespace, ref.name, ref.key, entry.faults[ref.key], known=True)
        if ref.key not in entry.values:
            has = ", ".join(sorted(entry.values)) or "none"
            return self._absent(namespace, ref, f"the {kind} has no such key; its keys are: {has}")
        return entry.values[ref.key]

    def _absent(self, namespace: str, ref: SecretRef | ConfigMapRef, problem: str) -> bytes:
        if ref.optional:
            return b""
        raise SecretError(namespace, ref.name, ref.key, problem, known=True)

    async def _first(self, entry: _Entry) -> None:
        """Wait until the object is known, or known to be in trouble, or the time is over."""
        try:
            async with asyncio.timeout(self._first_read):
                await entry.heard.wait()
        except TimeoutError:
            return

    def _entry(self, kind: Kind, namespace: str, name: str) -> _Entry:
        shelf = self._shelves.setdefault((kind, namespace), _Shelf(kind, namespace))
        entry = shelf.entries.get(name)
        if entry is None:
            entry = shelf.entries[name] = _Entry(name)
            self._cover(shelf, entry)
            if len(shelf.entries) > self._most:
                _, oldest = shelf.entries.popitem(last=False)
                if oldest.watch is not None:
                    oldest.watch.cancel()
        else:
            shelf.entries.move_to_end(name)
        return entry

    def _cover(self, shelf: _Shelf, entry: _Entry) -> None:
        """See to it that a new entry is watched."""
        if len(shelf.entries) > self._own_watches and shelf.watch is None and not shelf.forbidden:
            shelf.watch = self._start(self._watch_all(shelf), f"{shelf.kind}s of {shelf.namespace}")
        work = self._watch_one(shelf, entry) if shelf.watch is None else self._fetch_one(shelf, entry)
        entry.watch = self._start(work, f"{shelf.kind} {shelf.namespace}/{entry.name}")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"watch {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch_one(self, shelf: _Shelf, entry: _Entry) -> None:
        """Watch one object, until the watch of the namespace has it."""
        async with aclosing(self._events(shelf, entry.trouble, f"metadata.name={entry.name}")) as events:
            present: KubeObject | None = None
            async for event in events:
                if event.type != "SYNCED":
                    present = None if event.type == "DELETED" else event.object
                if shelf.synced and entry.known.is_set():
                    break  # what the namespace's watch told while we were listing is as new or newer
                if event.type == "SYNCED" or entry.known.is_set():
                    entry.learn(present)
                if shelf.synced and entry.known.is_set():
                    break
        entry.watch = None

    async def _fetch_one(self, shelf: _Shelf, entry: _Entry) -> None:
        """Read an object that the watch of the namespace covers from now on, but whose state it may have told before."""
        await shelf.answered.wait()
        if not entry.known.is_set() and not shelf.forbidden:
            try:
                found = await self._kube.get(_API, shelf.kind, entry.name, shelf.namespace)
            except ClientError as error:
                entry.trouble(error)
            else:
                if not entry.known.is_set():  # what the watch told while we were asking is as new or newer
                    entry.learn(found)
        if entry.known.is_set() and not shelf.forbidden:
            entry.watch = None
        else:
            await self._watch_one(shelf, entry)

    async def _watch_all(self, shelf: _Shelf) -> None:
        """Watch a namespace. Ends where the role forbids it."""

        def trouble(error: ClientError | None) -> None:
            if isinstance(error, Refused) and error.status == 403 and not shelf.synced:
                shelf.forbidden = True
                if shelf.watch is not None:
                    shelf.watch.cancel()
                    shelf.watch = None
            for entry in shelf.entries.values():
                if entry.watch is None:
                    entry.trouble(error)
            shelf.answered.set()

        wanted = set(shelf.entries)
        present: dict[str, KubeObject] = {}
        async with aclosing(self._events(shelf, trouble)) as events:
            async for event in events:
                name = event.object["metadata"]["name"] if event.object else ""
                if event.type == "SYNCED":
                    if not shelf.synced:
                        self._take_over(shelf, wanted, present)
                    present.clear()
                elif name not in shelf.entries:
                    continue
                elif shelf.synced:
                    shelf.entries[name].learn(None if event.type == "DELETED" else event.object)
                elif event.type == "DELETED":
                    present.pop(name, None)
                else:
                    present[name] = event.object

    def _take_over(self, shelf: _Shelf, wanted: set[str], present: dict[str, KubeObject]) -> None:
        """The first list of the namespace is whole: it tells of all that it showed, and of the absence of what it looked for from the
        beginning. These need no watch of their own any more."""
        shelf.synced = True
        for name in (wanted | present.keys()) & shelf.entries.keys():
            entry = shelf.entries[name]
            entry.learn(present.get(name))
            if entry.watch is not None:
                entry.watch.cancel()
                entry.watch = None
        shelf.answered.set()

    def _events(self, shelf: _Shelf, trouble: OnWatchTrouble, selector: str = "") -> AsyncGenerator[WatchEvent, None]:
        return self._kube.watch(_API, shelf.kind, shelf.namespace, field_selector=selector, on_trouble=trouble)


def values_of(obj: KubeObject) -> tuple[dict[str, bytes], dict[str, str]]:
    """The values of a Secret or ConfigMap by key, and the keys that cannot be decoded with the reason."""
    values: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    is_secret = obj.get("kind") == "Secret"
    for key, text in (obj.get("data") or {}).items():
        if is_secret:
            _decode(key, text, values, faults)
        else:
            values[key] = str(text).encode()
    for key, text in ({} if is_secret else obj.get("binaryData") or {}).items():
        _decode(key, text, values, faults)
    return values, faults


def _decode(key: str, text: Any, values: dict[str, bytes], faults: dict[str, str]) -> None:
    try:
        values[key] = base64.b64decode(text or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        faults[key] = "the value is no base64; write it under stringData, or encode it"
