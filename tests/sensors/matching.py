"""A Matcher that runs over the real ledger, for the tests of what it decides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sensors import Matcher, SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from sensors.scripts import Program, Runner
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import EventRecord, Loss, VerdictKind
from tiphys.bus.sqlite import SqliteBus, SqliteSettings

KEY = TriggerKey("argo", "s", "t")
SCRIPT = {"script": "return true"}


def sensor(
    conditions: str = "",
    name: str = "s",
    names: str = "ABC",
    *,
    since: int = 0,
    revision: int = 1,
    filters: dict[str, Any] | None = None,
    transforms: dict[str, Any] | None = None,
    once: dict[str, str] | None = None,
    limits: dict[str, Any] | None = None,
    **fields: Any,
) -> SensorProgram:
    """One trigger `t`; dependency `A` listens to `src-a`. `filters` and `transforms` are by dependency, `fields` of the template, `limits`
    stand beside it."""
    dependencies = [
        {"name": one, "eventSourceName": f"src-{one.lower()}", "eventName": "e"}
        | ({"filters": filters[one]} if filters and one in filters else {})
        | ({"transform": transforms[one]} if transforms and one in transforms else {})
        for one in names
    ]
    trigger = {"template": {"name": "t", "conditions": conditions, **fields}} | ({"once": once} if once else {}) | (limits or {})
    spec = SensorSpec[OpaqueTrigger].model_validate({"dependencies": dependencies, "triggers": [trigger]})
    return SensorProgram.compile("argo", name, spec, revision=revision, since=since)


class Clock:
    """Unix seconds that move when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Held(Runner):
    """Scripts whose answers wait until they are let go: all, or those whose data has a name in it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._free: set[str] = set()
        self._all = False
        self._change = asyncio.Condition()

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        name = orjson.loads(data)["name"]
        self.asked.append(name)
        async with self._change:
            await self._change.wait_for(lambda: self._all or name in self._free)
        return True

    async def free(self, *names: str) -> None:
        """Let those go; without names all, and what is asked later too."""
        async with self._change:
            self._free.update(names)
            self._all = self._all or not names
            self._change.notify_all()


class Running:
    """An open bus and a Matcher that runs."""

    def __init__(self, bus: SqliteBus, matcher: Matcher) -> None:
        self.bus, self.matcher = bus, matcher

    async def publish(self, *names: str, data: dict[str, Any] | None = None) -> None:
        """`a1` is an event of `src-a` with the id `a1`."""
        for name in names:
            body = orjson.dumps({"name": name, **(data or {})})
            await self.bus.log.publish(Event(name, f"src-{name[0]}", "webhook", "e", "argo", body, "2026-03-01T00:00:00Z"))

    async def send(self, *names: str, data: dict[str, Any] | None = None) -> None:
        """Publish, and wait until all is decided."""
        await self.publish(*names, data=data)
        for name in names:
            await self.decided(name)

    async def record(self, event_id: str, done: Callable[[EventRecord], bool]) -> EventRecord:
        async with asyncio.timeout(20):
            while not done(record := await self.bus.ledger.event(event_id)):
                await asyncio.sleep(0.005)
        return record

    async def settled(self, event_id: str) -> EventRecord:
        """The log's position has passed it."""
        return await self.record(event_id, lambda record: record.settled)

    async def decided(self, event_id: str) -> EventRecord:
        """Every trigger has decided."""
        return await self.record(event_id, lambda record: record.decided)

    async def firings(self) -> list[dict[str, str]]:
        """Oldest first: which event each dependency saw."""
        records = await self.bus.ledger.firings(limit=1000)
        return [{name: one.id for name, one in record.firing.events.items()} for record in reversed(records)]

    def held(self, name: str = "s") -> dict[str, str]:
        """The latest that is held for each dependency."""
        return {dependency: one.event_id for dependency, one in self.matcher.held(TriggerKey("argo", name, "t")).items()}

    async def stored(self) -> list[str]:
        """What the ledger holds."""
        return [one.event_id for one in await self.bus.ledger.held()]

    async def kinds(self, event_id: str) -> list[VerdictKind]:
        return [verdict.kind for verdict in (await self.bus.ledger.event(event_id)).verdicts]


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *sensors: SensorProgram,
    scripts: Runner | None = None,
    clock: Callable[[], float] = time.time,
    settings: SqliteSettings | None = None,
    lapsed: Callable[[Sequence[Loss]], None] | None = None,
) -> AsyncIterator[Running]:
    """Open, put the sensors, and run until the block ends."""
    async with SqliteBus.open(folder, settings, clock=clock) as bus:
        matcher = Matcher(bus.log, bus.ledger, await bus.ledger.open_epoch(), scripts=scripts, clock=clock, lapsed=lapsed)
        await matcher.load()
        for one in sensors:
            await matcher.put(one)
        task = asyncio.create_task(matcher.run())
        try:
            yield Running(bus, matcher)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
