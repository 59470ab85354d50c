"""What a polling source gets in tests: a context that makes events and reads secrets, a cursor in memory, and a log that may refuse.

These are stand-ins for the room and the ledger (contracts of `eventsource.source` and `tiphys.bus.ledger`), not for the world.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from eventsource.source import Address, Source
from tiphys.bus.event import Event, rfc3339
from tiphys.bus.identity import event_id, random_key
from tiphys.bus.ledger import Cursor
from tiphys.errors import SecretError, StoreUnavailable
from tiphys.schema.secret import SecretRef


class Kept(Cursor):
    """A cursor that lives in memory; `advances` counts."""

    def __init__(self) -> None:
        self._value: bytes | None = None
        self.advances = 0
        self.refusing = False

    @property
    def value(self) -> bytes | None:
        return self._value

    async def advance(self, value: bytes) -> None:
        if self.refusing:
            raise StoreUnavailable("the disk is full", 0.01)
        self._value = value
        self.advances += 1


class Room:
    """The context of one source, and the log behind its `emit`: `events` has what was published, in order."""

    def __init__(self, *, kind: str = "git", secrets: Mapping[str, str] = {}) -> None:
        self.address = Address("argo", "repo", "push")
        self.health = self
        self.secrets = dict(secrets)
        self.kind = kind
        self.events: list[Event] = []
        self.refuse_after: int | None = None
        self.problem: str | None = "not started"
        self.problems: list[str] = []
        self.task: asyncio.Task[None] | None = None

    def well(self) -> None:
        self.problem = None

    def ill(self, problem: str) -> None:
        self.problem = problem
        self.problems.append(problem)

    def event(
        self,
        data: bytes,
        *,
        key: str | None = None,
        worldid: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] = {},
    ) -> Event:
        at = self.address
        key = key if key is not None else random_key()
        return Event(
            event_id(at.namespace, at.eventsource, at.event, key),
            at.eventsource,
            self.kind,
            at.event,
            at.namespace,
            data,
            rfc3339(time) if time else "",
            extensions={**extensions, "worldid": worldid or key},
        )

    async def secret(self, ref: SecretRef) -> bytes:
        if ref.key not in self.secrets:
            raise SecretError(self.address.namespace, ref.name, ref.key, "there is no such key", known=True)
        return self.secrets[ref.key].encode()

    async def emit(self, event: Event) -> None:
        await asyncio.sleep(0)
        if self.refuse_after is not None and len(self.events) >= self.refuse_after:
            raise StoreUnavailable("the disk is full", 0.01)
        self.events.append(event)

    # -- for assertions

    @property
    def payloads(self) -> list[Any]:
        return [event.payload for event in self.events]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    async def until(self, condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Wait for a condition; fails with `what` and the last problem after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if self.task is not None and self.task.done():
                self.task.result()
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{what}; {len(self.events)} events, problem: {self.problem}")
            await asyncio.sleep(0.02)

    async def has(self, count: int) -> None:
        await self.until(lambda: len(self.events) >= count, f"fewer than {count} events")

    @asynccontextmanager
    async def running(self, source: Source[Any], cursor: Cursor) -> AsyncIterator[asyncio.Task[None]]:
        """The source at work; cancelled at the end, as by a stop of the service. An error of its own fails the test."""
        self.task = task = asyncio.create_task(source.run(self.emit, cursor))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
