"""Uploads to a MinIO bucket (reference 3.4): its listen stream, and beside it a listing now and then.

The stream tells everything at once, but only while it lives. What happened while it was cut, or while this service was down, is not
repeated; builds of the last year do not even flush it, and say nothing at all. So uploads are also looked for by listing
(`reconcile`): at start, after each new connection, every few minutes, and every few seconds while the stream is silent. An upload seen
both ways is one event: both ways know its version, or its eTag and time of modification, and these make its id. What a listing
cannot know (deletions, reads, tags) exists only in the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable, Sequence
from typing import Final

import orjson
from pydantic import Field

from eventsource.highwater import HighWater
from eventsource.source import Context, Emit, Notice, Source, register
from tiphys.bus.event import Event
from tiphys.bus.ledger import Cursor
from tiphys.clients.s3 import S3, Keys, Listing, Silent, notification
from tiphys.clients.s3.notification import Record
from tiphys.errors import ClientError, FaultKind, FieldError, LanguageError, SecretError, StoreUnavailable
from tiphys.languages import duration
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = ["MinioBucket", "MinioFilter", "MinioReconcile", "MinioSource", "MinioSpec"]

_LONGEST_PAUSE: Final = 60.0
_LONGEST_SILENT_PAUSE: Final = 300.0
_LIVED: Final = 30.0
_AT_ONCE: Final = 64


class MinioBucket(Model):
    """`key` is accepted and, as in argo-events, not used."""

    name: str
    key: str = ""


class MinioFilter(Model):
    """Parts of object names, written as they are (not URL-encoded)."""

    prefix: str = ""
    suffix: str = ""


class MinioReconcile(Model):
    """How often uploads are looked for by listing (ours): every `interval` while the stream lives (`0s`: never), every `whileSilent`
    while it does not. A pass never starts earlier than ten times the length of the one before."""

    interval: str = "5m"
    while_silent: str = "10s"


class MinioSpec(Model):
    """One bucket. `endpoint` is `host:port`; `events` are names as `s3:ObjectCreated:*`."""

    endpoint: str
    bucket: MinioBucket
    access_key: SecretRef
    secret_key: SecretRef
    events: list[str] = Field(default=[])
    filter: MinioFilter = MinioFilter()
    insecure: bool = False
    region: str = ""
    ca_certificate: SecretRef | None = None
    metadata: dict[str, str] = Field(default={})
    reconcile: MinioReconcile = MinioReconcile()


@register
class MinioSource(Source[MinioSpec]):
    """Listens to one bucket and lists it. `ping` and `silence` of the stream are in seconds."""

    key = "minio"
    event_type = "minio"
    spec = MinioSpec
    members = frozenset(("notification", "metadata"))

    def __init__(self, spec: MinioSpec, context: Context, *, ping: int = 2, silence: float = 7.0) -> None:
        super().__init__(spec, context)
        self._ping, self._silence = ping, silence
        self._interval = duration.seconds(spec.reconcile.interval)
        self._while_silent = duration.seconds(spec.reconcile.while_silent)
        self._reconciles = self._interval > 0 and any(self._asked_for(name) for name in notification.UPLOADS)
        self._emitting = asyncio.Lock()  # one upload comes from both sides at once
        self._wake = asyncio.Event()
        self._alive = False
        self._listed = False
        self._stream_problem, self._list_problem = "", ""

    @classmethod
    def check(cls, spec: MinioSpec) -> list[FieldError]:
        """What argo-events refuses, and durations and event names that cannot be."""
        found = []
        if not spec.endpoint or "/" in spec.endpoint:
            found.append(
                FieldError("endpoint", "must be host:port", "leave out http:// and any path; 'insecure: true' is for http")
            )
        if not spec.bucket.name:
            found.append(FieldError("bucket.name", "is empty", "name the bucket", kind=FaultKind.MISSING))
        if not spec.events:
            found.append(
                FieldError(
                    "events",
                    "is empty: the store would tell nothing",
                    "list s3:ObjectCreated:* for uploads",
                    kind=FaultKind.MISSING,
                )
            )
        found += [
            FieldError(f"events[{index}]", "is no event of an object store", "write it as s3:ObjectCreated:*", repr(name))
            for index, name in enumerate(spec.events)
            if not name.startswith("s3:")
        ]
        reconcile = spec.reconcile
        for field, text, least in (("interval", reconcile.interval, 0.0), ("whileSilent", reconcile.while_silent, 1.0)):
            try:
                if duration.seconds(text) < least or 0 < duration.seconds(text) < 1:
                    found.append(FieldError(f"reconcile.{field}", "is too short", "write 1s or more", repr(text)))
            except LanguageError as error:
                found.append(FieldError(f"reconcile.{field}", error.problem, error.remedy, repr(text)))
        return found

    @classmethod
    def notices(cls, spec: MinioSpec) -> list[Notice]:
        """What a listing cannot make up for."""
        only_live = [name for name in spec.events if not name.startswith(notification.CREATED)]
        copies = [name for name in spec.events if name in (f"{notification.CREATED}Copy", f"{notification.CREATED}Post")]
        text = "seen only while the listen stream lives: a listing does not show"
        found = [Notice("events", f"{', '.join(only_live)}: {text} it", kind=FaultKind.UNSEEN_WHILE_DOWN)] if only_live else []
        return found + (
            [Notice("events", f"{', '.join(copies)}: {text} how an object was made", kind=FaultKind.UNSEEN_WHILE_DOWN)]
            if copies
            else []
        )

    async def run(self, emit: Emit, cursor: Cursor) -> None:
        """Listen and list until cancelled. A store that is away is tried for ever, with pauses up to a minute."""
        spec = self.settings
        place, view = f"{spec.endpoint}/{spec.bucket.name}", f"{spec.filter.prefix}*{spec.filter.suffix}"
        water = HighWater.load(cursor.value, place, view, _now())
        if self._reconciles and water.stale:
            await cursor.advance(water.dump())
        ca = spec.ca_certificate
        async with S3(
            spec.endpoint,
            self._keys,
            secure=not spec.insecure,
            region=spec.region,
            ca=(lambda: self.context.secret(ca)) if ca is not None else None,
        ) as store:
            work = [asyncio.create_task(self._listen(store, emit, water), name=f"minio listen {self.context.address}")]
            if self._reconciles:
                work.append(
                    asyncio.create_task(self._reconcile(store, emit, cursor, water), name=f"minio list {self.context.address}")
                )
            try:
                await asyncio.gather(*work)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.wait(work)

    async def _keys(self) -> Keys:
        access, secret = await self.context.secret(self.settings.access_key), await self.context.secret(self.settings.secret_key)
        return Keys(access.decode(errors="replace"), secret.decode(errors="replace"))

    # -- the stream

    async def _listen(self, store: S3, emit: Emit, water: HighWater) -> None:
        spec, clock = self.settings, asyncio.get_running_loop().time
        failures = 0
        while True:
            since, longest = clock(), _LONGEST_PAUSE
            try:
                stream = store.listen(
                    spec.bucket.name,
                    self._listened(),
                    spec.filter.prefix,
                    spec.filter.suffix,
                    ping=self._ping,
                    silence=self._silence,
                )
                async with contextlib.aclosing(stream):
                    async for tick in stream:
                        if not self._alive:
                            since = clock()
                            self._turn(alive=True)
                        await self._told(emit, water, tick.messages)
                problem = f"{store.endpoint}: the store closed the listen stream"
            except Silent as error:
                problem, longest = str(error), _LONGEST_SILENT_PAUSE
            except (ClientError, SecretError) as error:
                problem = str(error)
            failures = 1 if self._alive and clock() - since >= _LIVED else failures + 1
            self._turn(alive=False, problem=problem)
            await asyncio.sleep(min(2.0 ** (failures - 1), longest) * random.uniform(0.8, 1.2))  # noqa: S311  spreads load only

    def _listened(self) -> list[str]:
        """What the stream is asked for: all uploads where any is asked for, so that a copy is not taken for a put by the listing."""
        if not self._reconciles:
            return self.settings.events
        return [f"{notification.CREATED}*", *(name for name in self.settings.events if not name.startswith(notification.CREATED))]

    def _turn(self, *, alive: bool, problem: str = "") -> None:
        """The stream came to life or ended: the listing is due at once, and at another pace from now on."""
        if alive != self._alive:
            self._wake.set()
        self._alive, self._stream_problem = alive, problem
        self._report()

    async def _told(self, emit: Emit, water: HighWater, messages: Iterable[Sequence[Record]]) -> None:
        bucket = self.settings.bucket.name
        async with self._emitting:
            told: list[Event] = []
            uploads: list[tuple[str, int]] = []
            for message in messages:
                fresh = []
                for record in message:
                    state = notification.state(record)
                    if state is None or not water.remembers(*state):
                        fresh.append(record)
                        uploads += [state] if state is not None else []
                wanted = [record for record in fresh if self._asked_for(notification.name(record))]
                if wanted:
                    told.append(self._event(wanted, "\n".join(notification.world_key(bucket, record) for record in wanted)))
            await self._publish(emit, told)
            for state in uploads:
                water.add(*state)

    def _asked_for(self, name: str) -> bool:
        return any(name == asked or (asked.endswith("*") and name.startswith(asked[:-1])) for asked in self.settings.events)

    # -- the listing

    async def _reconcile(self, store: S3, emit: Emit, cursor: Cursor, water: HighWater) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            self._wake.clear()
            try:
                await self._pass(store, emit, cursor, water)
                failures, self._list_problem, self._listed = 0, "", True
            except (ClientError, SecretError) as error:
                failures, self._list_problem = failures + 1, str(error)
            self._report()
            pause = self._interval if self._alive else self._while_silent
            if failures:
                pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(pause, 10 * (clock() - started)) * random.uniform(0.9, 1.1))  # noqa: S311  as above

    async def _pass(self, store: S3, emit: Emit, cursor: Cursor, water: HighWater) -> None:
        started, skew = _now(), 0
        pages = store.objects(self.settings.bucket.name, self.settings.filter.prefix)
        async with contextlib.aclosing(pages):
            async for page in pages:
                skew = page.skew if abs(page.skew) > 2000 else 0  # a date in whole seconds shows no less
                await self._found(emit, water, page, skew)
        water.finish(started, _now() + skew)
        if water.stale:
            await cursor.advance(water.dump())

    async def _found(self, emit: Emit, water: HighWater, page: Listing, skew: int) -> None:
        asked = [item for item in page.objects if item.key.endswith(self.settings.filter.suffix)]
        asked.sort(key=lambda item: item.modified)
        for start in range(0, len(asked), _AT_ONCE):
            async with self._emitting:
                some = asked[start : start + _AT_ONCE]
                fresh = [item for item in some if water.is_new(item.key, item.modified, skew)]
                records = [notification.listed(self.settings.bucket.name, item, self.settings.region) for item in fresh]
                wanted = [record for record in records if self._asked_for(record["eventName"])]
                bucket = self.settings.bucket.name
                await self._publish(emit, [self._event([record], notification.world_key(bucket, record)) for record in wanted])
                for item in some:
                    water.add(item.key, item.modified)

    # -- both

    def _event(self, records: Sequence[Record], key: str) -> Event:
        data: Record = {"notification": records}
        if self.settings.metadata:
            data["metadata"] = self.settings.metadata
        worldid = f"{self.settings.bucket.name}/{records[0]['s3']['object']['key']}"
        return self.context.event(orjson.dumps(data), key=key, worldid=worldid)

    async def _publish(self, emit: Emit, events: Sequence[Event]) -> None:
        """Emit until the log has them: what came off a stream comes only once."""
        pending = list(events)
        while pending:
            results = await asyncio.gather(*map(emit, pending), return_exceptions=True)
            waits = []
            for result in results:
                if isinstance(result, StoreUnavailable):
                    waits.append(result)
                elif isinstance(result, BaseException):
                    raise result
            pending = [event for event, result in zip(pending, results, strict=True) if isinstance(result, StoreUnavailable)]
            if waits:
                self.context.health.ill(str(waits[0]))
                await asyncio.sleep(waits[0].retry_after)
                self._report()

    def _report(self) -> None:
        problems = list(dict.fromkeys(problem for problem in (self._stream_problem, self._list_problem) if problem))
        if self._stream_problem and self._reconciles and not self._list_problem and self._listed:
            every = self.settings.reconcile.while_silent
            problems.append(f"meanwhile uploads are found by listing, every {every}; deletions and other changes are not seen")
        if problems:
            self.context.health.ill("; ".join(problems))
        elif self._alive and (self._listed or not self._reconciles):
            self.context.health.well()


def _now() -> int:
    return int(time.time() * 1000)
