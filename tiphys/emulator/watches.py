"""Watches: each follows the store's history from its own position.

A watcher keeps no queue. It remembers the revision up to which its client knows everything, and when the hub wakes it reads what came
after from the store, in pages. So the past and the present are one code path, a slow client costs no memory, and one that falls behind
the kept history is told 410 as in Kubernetes. A caught-up watcher of a quiet kind is moved along without waking it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Final

import orjson

from tiphys.emulator.kinds import Kind
from tiphys.emulator.selectors import Predicate
from tiphys.emulator.statuses import ApiError, expired
from tiphys.emulator.store import ADDED, DELETED, MODIFIED, Change, Store, pages

__all__ = ["Hub", "Watch"]

_PAGE: Final = 500
_LONGEST: Final = (1800.0, 3600.0)  # seconds that a watch lives when its client names none, as kube-apiserver's default
_NAMES: Final = {ADDED: b"ADDED", MODIFIED: b"MODIFIED", DELETED: b"DELETED"}


class Watcher:
    """One watch's place in history."""

    def __init__(self, storage: str, position: int) -> None:
        self.storage, self.position = storage, position
        self.wake = asyncio.Event()


class Hub:
    """Wakes watchers after commits."""

    def __init__(self, *, bookmarks: float) -> None:
        """`bookmarks` is the time between two bookmarks of a watch, in seconds."""
        self.bookmarks = bookmarks
        self.closing = False
        self._watchers: set[Watcher] = set()

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell of a commit; called on the event loop."""
        before, newest = changes[0].revision - 1, changes[-1].revision
        touched = {change.key.storage for change in changes}
        for watcher in self._watchers:
            if watcher.storage in touched:
                watcher.wake.set()
            elif watcher.position == before:
                watcher.position = newest

    def follow(self, storage: str, position: int) -> Watcher:
        """Add a watcher; `leave` it in the end."""
        watcher = Watcher(storage, position)
        watcher.wake.set()
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        self._watchers.discard(watcher)

    def close(self) -> None:
        """End all watches."""
        self.closing = True
        for watcher in self._watchers:
            watcher.wake.set()


class Watch:
    """One watch request: an asynchronous iterator of chunks of newline-delimited JSON.

    `after` is the resourceVersion that the client knows, or `None` to start with an ADDED for each object there is. `render` turns an
    object's JSON into what the client asked for. `timeout` is in seconds, 0 for the server's choice.
    """

    def __init__(
        self,
        hub: Hub,
        store: Store,
        kind: Kind,
        namespace: str | None,
        *,
        after: int | None,
        matches: Predicate | None,
        render: Callable[[bytes], bytes],
        bookmarks: bool,
        timeout: float,
    ) -> None:
        self._hub, self._store, self._kind, self._namespace = hub, store, kind, namespace
        self._after, self._matches, self._render, self._bookmarks = after, matches, render, bookmarks
        self._lifetime = timeout or random.uniform(*_LONGEST)  # noqa: S311  spreads reconnects, no secret

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What goes to the client. Ends at the time limit, at the server's stop, or after an ERROR event."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lifetime
        start = self._store.revision if self._after is None else self._after
        watcher = self._hub.follow(self._kind.storage, start)
        try:
            if self._after is None:
                for page in pages(self._store, self._kind.storage, self._namespace, at=start, size=_PAGE):
                    if chunk := b"".join(self._event(b"ADDED", value) for _, _, value in page if self._passes(value)):
                        yield chunk
                    await asyncio.sleep(0)
            mark = loop.time() + self._hub.bookmarks
            while not self._hub.closing:
                watcher.wake.clear()
                async for chunk in self._news(watcher):
                    yield chunk
                if loop.time() >= mark:
                    mark = loop.time() + self._hub.bookmarks
                    if self._bookmarks:
                        yield self._bookmark(watcher.position)
                if (left := deadline - loop.time()) <= 0:
                    if self._bookmarks:
                        yield self._bookmark(watcher.position)
                    return
                try:
                    async with asyncio.timeout(max(0.0, min(left, mark - loop.time()))):
                        await watcher.wake.wait()
                except TimeoutError:
                    continue
        except ApiError as error:
            yield b'{"type":"ERROR","object":' + orjson.dumps(error.status()) + b"}\n"
        finally:
            self._hub.leave(watcher)

    async def _news(self, watcher: Watcher) -> AsyncIterator[bytes]:
        upto = self._store.revision
        while watcher.position < upto:
            page = self._store.changes(watcher.storage, after=watcher.position, upto=upto, limit=_PAGE)
            if self._store.compacted > watcher.position:
                raise expired(f"too old resource version: {watcher.position} ({self._store.compacted})")
            watcher.position = page[-1].revision if len(page) == _PAGE else upto
            if chunk := b"".join(map(self._seen, page)):
                yield chunk
            if watcher.position < upto:
                await asyncio.sleep(0)

    def _seen(self, change: Change) -> bytes:
        """The event that a change is to this watch, or nothing: an object may come into a selector or leave it."""
        if self._namespace is not None and change.key.namespace != self._namespace:
            return b""
        if self._matches is None:
            return self._event(_NAMES[change.type], change.value)
        is_in = change.type != DELETED and self._passes(change.value)
        was_in = change.before is not None and self._passes(change.before)
        if is_in:
            return self._event(b"MODIFIED" if was_in else b"ADDED", change.value)
        if not was_in:
            return b""
        if change.type == DELETED:
            return self._event(b"DELETED", change.value)
        left = orjson.loads(change.before or b"")
        left["metadata"]["resourceVersion"] = str(change.revision)
        return self._event(b"DELETED", orjson.dumps(left))

    def _passes(self, value: bytes) -> bool:
        return self._matches is None or self._matches(orjson.loads(value))

    def _event(self, name: bytes, value: bytes) -> bytes:
        return b'{"type":"' + name + b'","object":' + self._render(value) + b"}\n"

    def _bookmark(self, position: int) -> bytes:
        obj = {
            "kind": self._kind.kind,
            "apiVersion": self._kind.api_version,
            "metadata": {"resourceVersion": str(position), "creationTimestamp": None},
        }
        return self._event(b"BOOKMARK", orjson.dumps(obj))
