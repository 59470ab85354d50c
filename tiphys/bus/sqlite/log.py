"""The log's half of the store: publishing in groups, and reading in order.

The newest events stay in memory, so that the reader (the Matcher) gets the very objects that were published, with nothing parsed or
fetched again. A reader that fell behind, or starts on old events, reads pages from the file until it has caught up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import orjson

from tiphys.bus.event import Event
from tiphys.bus.log import Durability, EventLog, Stored
from tiphys.bus.sqlite.records import Damaged, Origin, attributes_of, event_crc, event_from_row, id_key
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.bus.sqlite.writer import Job
from tiphys.errors import StoreUnavailable

__all__ = ["Recent", "SqliteLog"]

_BATCH: Final = 512
_BATCH_BYTES: Final = 4 << 20
_RECENT_EVENTS: Final = 8192
_RECENT_BYTES: Final = 16 << 20
_SETTLED_BYTES: Final = 2 << 20
_OVERHEAD: Final = 256
_MAX_EVENT: Final = 256 << 20


class Recent:
    """The newest events by position, without gaps, bounded by number and bytes; of settled ones only a few are kept, for the claims
    that follow."""

    def __init__(self) -> None:
        self._events: deque[tuple[Event, int, float]] = deque()
        self._first = 0
        self._bytes = 0
        self._known: dict[str, int] = {}

    def add(self, position: int, event: Event, size: int, at: float, *, duplicate: bool) -> None:
        """Append the next event."""
        if position != self._first + len(self._events):
            self.clear()
            self._first = position
        self._events.append((event, size, at))
        self._bytes += size
        if not duplicate:
            self._known[event.id] = position
        while len(self._events) > _RECENT_EVENTS or (self._bytes > _RECENT_BYTES and len(self._events) > 1):
            self._drop()

    def settled(self, position: int) -> None:
        """Let go of settled events beyond a few."""
        settled = position - self._first + 1
        if settled > 0 and self._bytes > _SETTLED_BYTES:
            for _ in range(min(settled, len(self._events))):
                if self._bytes <= _SETTLED_BYTES:
                    break
                self._drop()

    def get(self, position: int) -> Event | None:
        """The event at a position, if it is here."""
        index = position - self._first
        return self._events[index][0] if 0 <= index < len(self._events) else None

    def first_time(self, event_id: str) -> int | None:
        """Where an id was stored for the first time, if that was here; `None` says nothing."""
        return self._known.get(event_id)

    def after(self, position: int) -> list[tuple[int, Event, float]]:
        """A batch of the events beyond a position; empty if the next one is not here."""
        index = position + 1 - self._first
        if not 0 <= index < len(self._events):
            return []
        batch: list[tuple[int, Event, float]] = []
        size = 0
        for offset in range(index, min(index + _BATCH, len(self._events))):
            event, event_size, at = self._events[offset]
            if batch and size + event_size > _BATCH_BYTES:
                break
            batch.append((self._first + offset, event, at))
            size += event_size
        return batch

    def clear(self) -> None:
        """Forget all."""
        self._events.clear()
        self._known.clear()
        self._bytes = 0

    def _drop(self) -> None:
        event, size, _ = self._events.popleft()
        if self._known.get(event.id) == self._first:
            del self._known[event.id]
        self._first += 1
        self._bytes -= size


class Publish(Job[int]):
    """One event to be stored. Those of a batch are one statement; its row is made before the writer has it, if its origin is known."""

    point = "publish"

    def __init__(self, event: Event, log: SqliteLog) -> None:
        super().__init__()
        self.event = event
        self.log = log
        data = event.data
        self.data = data or b""
        self.length = -1 if data is None else len(data)
        self.size = len(self.data) + _OVERHEAD
        self.origin = Origin(event.namespace, event.source, event.subject, event.type, event.bus)
        self.origin_number = log.origin_numbers.get(self.origin)
        self.row = b"" if self.origin_number is None else self.row_of(self.origin_number)
        self.duplicate = False
        self.at = 0.0

    def row_of(self, origin: int) -> bytes:
        """The row as `publishing` takes it."""
        event = self.event
        attributes = attributes_of(event)
        crc = event_crc(event.id, self.origin, event.time, attributes, event.data)
        return orjson.dumps((event.id, origin, self.size, crc, event.time, attributes, self.length, id_key(event.id).hex()))

    @classmethod
    def single(cls, tx: Transaction, jobs: list[Publish]) -> bool:
        """As a rule: no origin is new, and the minute was remembered."""
        return not tx.ticks and all(job.row for job in jobs)

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[Publish]) -> None:
        """Store them under the next positions, their ids beside unless known, and count them."""
        before = tx.position
        for job in jobs:
            if not job.row:
                job.origin_number = tx.origin(job.origin)
        rows = [job.row or job.row_of(tx.origin(job.origin)) for job in jobs]
        tx.tick(before)
        tx.position = before + len(jobs)
        changes = tx.total_changes()
        data = b"".join([b"\0", *[job.data for job in jobs]])
        tx.run("publish", {"rows": f"[{b','.join(rows).decode()}]", "before": before, "now": tx.now, "data": data})
        for number, job in enumerate(jobs, before + 1):
            job.result = number
            job.at = tx.now
        # an event and an id each, and a row of usage for each namespace
        whole = tx.total_changes() - changes == 2 * len(jobs) + len({job.event.namespace for job in jobs})
        for job in jobs:
            job.duplicate = not whole and tx.value("first_position", id=id_key(job.event.id)) != job.result

    def committed(self) -> None:
        """Show it to the reader."""
        self.log.stored(self)


class SqliteLog(EventLog):
    """The log in the data folder. An id that is stored already is appended again; `settle` decides about duplicates."""

    durability = Durability.FSYNCED

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opened_end = store.end
        self._wake = asyncio.Event()
        self.origin_numbers = {origin: number for number, origin in store.origins.items()}
        self.recent = Recent()
        self._reading = False

    async def publish(self, event: Event) -> int:
        """As `EventLog.publish`. Refused while the disk takes no writes, while the writer's queue is full, while the event's namespace
        has its bound of unfinished work, and for more than 256 MiB of data."""
        store, settings = self._store, self._store.settings
        job = Publish(event, self)
        writer = store.writer
        full = writer.waiting >= settings.queue_events
        if full or (writer.waiting and writer.waiting_bytes + job.size > settings.queue_bytes):
            raise StoreUnavailable("more events wait for the disk than the queue holds", 1.0)
        if job.size > _MAX_EVENT:
            raise ValueError(f"an event of {job.size} bytes is larger than the store takes ({_MAX_EVENT})")
        if store.unfinished(event.namespace) + job.size > settings.unfinished_bytes:
            raise StoreUnavailable(f"namespace {event.namespace} has {settings.unfinished_bytes} bytes of unfinished work", 5.0)
        return await writer.submit(job)

    def stored(self, job: Publish) -> None:
        """A publish is durable (called on the event loop, in order)."""
        self._store.end = job.result
        if not job.row and job.origin_number is not None:
            self._store.origins[job.origin_number] = job.origin
            self.origin_numbers[job.origin] = job.origin_number
        self._store.note_published(job.event.namespace, job.size)
        if self._reading:
            self.recent.add(job.result, job.event, job.size, job.at, duplicate=job.duplicate)
            self._wake.set()

    async def read(self) -> AsyncIterator[Sequence[Stored]]:
        """As `EventLog.read`. An event that is redelivered first after a start in which nothing was settled counts its attempts."""
        self._reading = True
        readers, position = await self._store.write(lambda tx: tx.all("begin_reading")[0])
        start, attempted = position, max(self._opened_end, self._store.end)
        while True:
            batch = self.recent.after(position)
            if batch:
                last = batch[-1][0]
            elif position < self._store.end:
                batch, last = await self._page(position, self._store.end)
            else:
                self._wake.clear()
                await self._wake.wait()
                continue
            position = last
            if batch:
                again = readers if self._store.settled == start else 1
                yield [Stored(number, event, again if number <= attempted else 1, at) for number, event, at in batch]

    async def _page(self, after: int, end: int) -> tuple[list[tuple[int, Event, float]], int]:
        """A batch from the file, and the position up to which it has everything."""
        store = self._store

        def page(reader: Reader) -> tuple[list[tuple[int, Event, float]], list[tuple[int | str, str, str]], int]:
            upto, size = after, 0
            for position, event_size in reader.all("sizes_after", after=after, end=end, limit=_BATCH):
                if upto > after and size + event_size > _BATCH_BYTES:
                    break
                upto, size = position, size + event_size
            if upto == after:
                return [], [], end
            rows = reader.all("events_after", after=after, end=upto, limit=_BATCH)
            origins = store.known_origins(reader, {row[3] for row in rows})
            events: list[tuple[int, Event, float]] = []
            damaged: list[tuple[int | str, str, str]] = []
            for row in rows:
                try:
                    events.append((row[0], event_from_row(row, origins), row[1]))
                except Damaged as reason:
                    damaged.append((row[0], f"{row[2]}@{row[0]}", str(reason)))
            return events, damaged, upto

        events, damaged, upto = await store.read(page)
        await store.set_aside("event", damaged)
        return events, upto

    async def ack(self, position: int) -> None:
        """Nothing: `settle` moves the position."""

    async def end(self) -> int:
        """As `EventLog.end`."""
        return self._store.end

    async def events_at(self, positions: Sequence[int]) -> dict[int, Event]:
        """The events at positions, from memory or the file. A damaged one is set aside; it and a removed one are missing."""
        found: dict[int, Event] = {}
        missing: list[int] = []
        for position in positions:
            if (event := self.recent.get(position)) is not None:
                found[position] = event
            else:
                missing.append(position)
        if missing:
            store = self._store

            def load(reader: Reader) -> list[tuple[int | str, str, str]]:
                rows = reader.all("events_at", positions=rows_text(missing))
                origins = store.known_origins(reader, {row[3] for row in rows})
                damaged: list[tuple[int | str, str, str]] = []
                for row in rows:
                    try:
                        found[row[0]] = event_from_row(row, origins)
                    except Damaged as reason:
                        damaged.append((row[0], f"{row[2]}@{row[0]}", str(reason)))
                return damaged

            await store.set_aside("event", await store.read(load))
        return found
