"""The Matcher: one loop that decides for all sensors.

Events come from the log in order. For each, the index gives the dependencies that it concerns; their filters judge it, the conditions
say what it completes, and one `Ledger.settle` per batch makes verdicts, held events, firings and the log's position durable together.
While a settle commits, the log gathers the next batch: batches grow by themselves.

A trigger that cannot decide at once gets a row for the event in the same settle, and decides in its own time (`deferral`). Held events
live in memory and in the ledger (`holding`), and go when their time is over (`resetting`). A stale epoch ends the loop.

Changes to sensors and replays happen between batches, under the same lock, so a batch sees one set of sensors. An event that ends the
process again and again is found by taking the batch one by one, and is set aside.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from sensors.deciding import Deciding
from sensors.deferral import Deferral
from sensors.holding import Holdings, lost
from sensors.index import Index
from sensors.making import Making
from sensors.program import SensorProgram, TriggerProgram
from sensors.refusing import Refusing
from sensors.resetting import Resetting
from sensors.scripts import Runner
from sensors.settling import until_taken
from sensors.suspicion import Suspicion
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Held, Ledger, Loss, ReplayRequest, VerdictKind
from tiphys.bus.log import EventLog, Stored

__all__ = ["Matcher"]

_log = structlog.get_logger(__name__)
_CRASHES: Final = 3
_DEATHS: Final = 3
Observer = Callable[[Event, Decision], None]


class Matcher:
    """Decides. `epoch` is that of the engine; `observe` hears of every decision once it is durable (metrics, the demo); an event that
    triggers decide later has one decision when it arrives and one for each of them. `scripts` runs Lua and jq: without it the events of
    dependencies that need them wait. `clock` gives Unix seconds. `lapsed` hears of held events that went by the clock alone; those that go
    when an event arrives are in its decision.

    Usage: `await matcher.load()`, `put` the sensors, then `await matcher.run()` until it is cancelled or raises `StaleEpoch`.
    """

    def __init__(
        self,
        log: EventLog,
        ledger: Ledger,
        epoch: int,
        observe: Observer | None = None,
        scripts: Runner | None = None,
        clock: Callable[[], float] = time.time,
        lapsed: Callable[[Sequence[Loss]], None] | None = None,
    ) -> None:
        self._log, self._ledger, self._epoch = log, ledger, epoch
        self._observe, self._clock, self._lapsed = observe, clock, lapsed
        self._index = Index()
        self._resetting = Resetting(self._sweep, clock)
        self._holdings = Holdings(self._resetting.watch, clock)
        self._suspicion = Suspicion(ledger)
        refusing = Refusing(ledger, clock)
        self._deferral = Deferral(ledger, epoch, self._index, self._holdings, refusing, self._suspicion, scripts, observe)
        self._deciding = asyncio.Lock()
        self._decider = Deciding(self._index, self._holdings, self._deferral, refusing)

    @property
    def index(self) -> Index:
        """Who listens to what, for status and `explain`."""
        return self._index

    @property
    def deferred(self) -> int:
        """Events that triggers are still to decide, counted once for each trigger."""
        return self._deferral.waiting

    def waiting(self) -> Mapping[TriggerKey, tuple[int, int]]:
        """How many events each trigger holds, and how many it is still to decide; those with neither are not there."""
        held, deferred = self._holdings.counts(), self._deferral.counts()
        return {key: (held.get(key, 0), deferred.get(key, 0)) for key in held | deferred}

    async def load(self) -> None:
        """Read the held events and what is deferred. Once, before `run`."""
        await self._suspicion.load()
        self._holdings.load(await self._ledger.held())
        await self._deferral.load()

    def held(self, key: TriggerKey) -> dict[str, Held]:
        """The latest event that a trigger holds for each dependency."""
        return {held.dependency: held for held in sorted(self._holdings.of(key), key=lambda held: held.position)}

    def held_events(self, key: TriggerKey) -> list[Held]:
        """All that a trigger holds."""
        return self._holdings.of(key)

    async def decision(self, event: Event, position: int, at: float | None = None) -> Decision:
        """What is decided about an event, for benchmarks and dry runs on a Matcher that does not run: its held events change, nothing is
        recorded."""
        return await self._decider.decide(Making(event, position, self._clock() if at is None else at))

    def strangers(self) -> list[TriggerKey]:
        """Triggers that hold events or have deferred ones, and that no sensor has: they went away while nobody looked."""
        keys = dict.fromkeys([*self._holdings.keys(), *self._deferral.keys()])
        return [key for key in keys if self._index.trigger(key) is None]

    # -- sensors

    async def put(self, sensor: SensorProgram) -> None:
        """Add a sensor or replace it between two batches. Events held for a definition that changed are dropped (reference 2.4), and
        those that arrived before a reset in whose time nobody watched."""
        async with self._deciding, self._deferral.concluding:
            self._index.put(sensor)
            for trigger in sensor.triggers:
                for dependency in self._holdings.stale(trigger):
                    await self._forget(trigger.key, dependency, "changed")
                if trigger.gate.lapses and self._holdings.groups(trigger.key):
                    if await self._drained(trigger.key):
                        await self._let_go(trigger)
                    self._resetting.soon(trigger.key)
            self._deferral.awaken(trigger.key for trigger in sensor.triggers)

    async def remove(self, namespace: str, name: str) -> None:
        """Take a sensor out between two batches. What it holds and has deferred stays until `release`: the sensor may come back."""
        async with self._deciding, self._deferral.concluding:
            self._index.remove(namespace, name)

    async def release(self, key: TriggerKey) -> None:
        """Drop what a trigger holds and has deferred (the end of the grace after a deletion)."""
        async with self._deciding, self._deferral.concluding:
            await self._forget(key, None, "deleted")
            await self._deferral.abandon(key)

    async def _forget(self, key: TriggerKey, dependency: str | None, reason: str) -> None:
        if self._holdings.forget(key, dependency):
            await until_taken(lambda: self._ledger.release(key, dependency, reason=reason))

    # -- what has lapsed

    async def _sweep(self, key: TriggerKey) -> float | None:
        """As `Resetting` asks."""
        async with self._deciding, self._deferral.concluding:
            found = self._index.trigger(key)
            if found is None:
                return math.inf
            if not await self._drained(key):
                return None
            _, trigger = found
            return await self._let_go(trigger)

    async def _drained(self, key: TriggerKey) -> bool:
        """Whether everything that has arrived is decided by this trigger."""
        return not self._deferral.waits(key) and await self._log.end() <= await self._ledger.position()

    async def _let_go(self, trigger: TriggerProgram) -> float:
        key, now = trigger.key, self._clock()
        lapsed = [(join, trigger.gate.lapsed(held, now)) for join, held in self._holdings.groups(key)]
        if gone := [one for _, dropped in lapsed for one in dropped]:
            rows = self._holdings.rows(key, [event for event, _ in gone])
            losses = [lost(key, event, loss, now) for event, loss in gone]
            await until_taken(lambda: self._ledger.drop(rows, losses))
            self._holdings.remove(key, [join for join, dropped in lapsed if dropped])
            if self._lapsed:
                self._lapsed(losses)
        return trigger.gate.next_lapse(now) if self._holdings.groups(key) else math.inf

    # -- events

    async def run(self) -> None:
        """Decide until cancelled. Raises `StaleEpoch` when another engine took over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrivals(), name="matcher:arrivals")
            group.create_task(self._replays(), name="matcher:replays")
            group.create_task(self._deferral.run(self._deciding), name="matcher:deferred")
            group.create_task(self._resetting.run(), name="matcher:resets")

    async def _arrivals(self) -> None:
        async for batch in self._log.read():
            async with self._deciding:
                if batch[0].attempt <= _CRASHES:
                    await self._batch(batch)
                else:
                    await self._one_by_one(batch)

    async def _one_by_one(self, batch: Sequence[Stored]) -> None:
        """The process has ended at this batch again and again. An event that was first and alone and ended it three times more is the
        culprit: less would not tell it from a process that is killed for another reason."""
        first, *others = batch
        if first.attempt > _CRASHES + _DEATHS:
            await self._set_aside(first)
        else:
            await self._batch([first])
        for stored in others:
            await self._batch([stored])

    async def _set_aside(self, stored: Stored) -> None:
        _log.error(
            "an event is set aside: the process ends whenever it is decided",
            action="event-set-aside",
            event_id=stored.event.id,
            position=stored.position,
            attempts=stored.attempt,
        )
        decision = self._decider.without_judging(stored.event, stored.position, VerdictKind.SET_ASIDE)
        await self._settle(stored.position, [(stored.event, decision)])
        await self._log.ack(stored.position)

    async def _replays(self) -> None:
        while True:
            requests = await self._ledger.replays(wait=3600.0)
            async with self._deciding:
                for request in requests:
                    if self._suspicion.guilty(request.number, replay=True):
                        self._suspicion.set_aside(request.number, request.event.id, None)
                        decision = self._decider.without_judging(request.event, request.position, VerdictKind.SET_ASIDE)
                        await self._settle(0, [(request.event, replace(decision, replay=request.number))])
                    elif self._suspicion.replays:
                        async with self._deferral.concluding, self._suspicion.alone(request.number, replay=True):
                            await self._again(request)
                        self._suspicion.replays = False
                    else:
                        await self._again(request)

    async def _again(self, request: ReplayRequest) -> None:
        before = await self._ledger.refusals(request.position)
        making = Making(request.event, request.position, self._clock(), request.number, before)
        decision = await self._decider.decide(making, frozenset(request.triggers))
        await self._settle(0, [(request.event, decision)])

    async def _batch(self, batch: Sequence[Stored]) -> None:
        seen = await self._ledger.seen([stored.event.id for stored in batch])
        decided: list[tuple[Event, Decision]] = []
        self._decider.begin()
        for position, event, _, at in batch:
            if event.id in seen:
                decision = self._decider.without_judging(event, position, VerdictKind.DUPLICATE)
            else:
                decision = await self._decider.decide(Making(event, position, at))
                seen.add(event.id)
            if not decision.firings:
                event.forget()
            decided.append((event, decision))
            if self._decider.late():
                await self._decider.breathe()
        await self._settle(batch[-1].position, decided)
        await self._log.ack(batch[-1].position)

    async def _settle(self, position: int, decided: Sequence[tuple[Event, Decision]]) -> None:
        decisions = [decision for _, decision in decided]
        await until_taken(lambda: self._ledger.settle(self._epoch, position, decisions))
        for decision in decisions:
            if decision.deferred:
                self._deferral.settled(row.key for row in decision.deferred)
        if self._observe:
            for event, decision in decided:
                self._observe(event, decision)
