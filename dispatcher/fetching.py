"""Fetching what a trigger's object is made from, once for all who ask for the same at the same time.

A firing must not be given something that is older than its own decision: a push that fires has its file read as it is after the push. What
was fetched later than that is good for it. So a backlog shares one fetch, one fetch of a thing is under way at a time, and nothing is stale
unless the manifest allows it (`ttl`).

An error goes to all who wait for it and is not kept. Each says what becomes of the attempt: `SOURCE_UNAVAILABLE` soon again, any other
transient one slowly, the rest at once a dead letter. None of them says anything about the Kubernetes API, whose pace other triggers share.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from dispatcher.retry import SOURCE_UNAVAILABLE
from tiphys.errors import ClientError, NotAllowed, Refused, TriggerError

__all__ = ["SECONDS", "Fetching", "Same", "failure", "fetching"]

SECONDS: Final = 60.0
"""The time limit of one fetch."""

_FOR_GOOD: Final = ("SymbolicLink", "Submodule", "TooLarge", "Place", "Address", "Protocol")
_KEPT: Final = 256
_KEPT_BYTES: Final = 32 << 20

Objects = Sequence[bytes]


class Same:
    """Part of a key: this very object, which is kept as long as the key, so that no other one takes its place."""

    __slots__ = ("_one",)

    def __init__(self, one: object) -> None:
        self._one = one

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other._one is self._one

    def __hash__(self) -> int:
        return id(self._one)


@dataclass(slots=True, eq=False)
class _Entry:
    """What is known of one thing. Times are Unix seconds, at which the fetch started."""

    started: float = float("-inf")
    objects: Objects = ()
    running: asyncio.Task[Objects] | None = None
    running_since: float = 0.0

    @property
    def size(self) -> int:
        return sum(map(len, self.objects))


class Fetching:
    """Fetches for one event loop. What was fetched is kept while there is room (32 MiB)."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(
        self, key: Hashable, since: float, fetch: Callable[[], Awaitable[Objects]], *, seconds: float = SECONDS
    ) -> Objects:
        """What `fetch` gives, as of `since` (Unix seconds) or later. `key` names the thing and who asks for it.

        Raises what `fetch` raises, and `TriggerError` `SOURCE_UNAVAILABLE` if it takes longer than `seconds`.
        """
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while entry.started < since:
            good = entry.running is not None and entry.running_since >= since
            if entry.running is None:
                good = True  # whatever the clock says: it starts after it was asked for
                entry.running_since = time.time()
                entry.running = asyncio.create_task(self._fetch(key, entry, fetch, seconds), name="artifact")
                # whoever waits hears of the error; where all were cancelled nobody is left to hear it
                entry.running.add_done_callback(lambda task: task.cancelled() or task.exception())
            if good:
                return await asyncio.shield(entry.running)
            await asyncio.wait([entry.running])
        return entry.objects

    async def _fetch(self, key: Hashable, entry: _Entry, fetch: Callable[[], Awaitable[Objects]], seconds: float) -> Objects:
        started = entry.running_since
        try:
            async with asyncio.timeout(seconds):
                objects = await fetch()
        except TimeoutError as error:
            raise TriggerError(SOURCE_UNAVAILABLE, f"the source was not read within {seconds:g} s", transient=True) from error
        finally:
            entry.running = None
        entry.started, entry.objects = started, objects
        self._entries[key] = entry
        while len(self._entries) > _KEPT or sum(one.size for one in self._entries.values()) > _KEPT_BYTES:
            oldest = next(iter(self._entries))
            if oldest == key:
                break
            del self._entries[oldest]
        return objects


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Fetching] = WeakKeyDictionary()


def fetching() -> Fetching:
    """That of the running event loop."""
    loop = asyncio.get_running_loop()
    if (found := _by_loop.get(loop)) is None:
        found = _by_loop[loop] = Fetching()
    return found


def failure(where: str, error: ClientError) -> TriggerError:
    """What an error of a fetch means for the attempt; `where` begins its text."""
    if isinstance(error, NotAllowed) or isinstance(error.__cause__, NotAllowed):  # at once, or by a redirect
        return TriggerError("SourceRefused", f"{where}: {error}")
    if not isinstance(error, Refused) or error.status in (408, 425, 429) or error.status >= 500:
        return TriggerError(SOURCE_UNAVAILABLE, f"{where}: {error}", transient=True)
    if error.reason in _FOR_GOOD:
        return TriggerError("SourceRefused", f"{where}: {error}")
    return TriggerError("SourceNotFound" if error.status == 404 else "SourceRefused", f"{where}: {error}", transient=True)
