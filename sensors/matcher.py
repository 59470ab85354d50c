"""The Matcher: one loop that decides for all sensors.

Events come from the log in order. For each, the index gives the dependencies that it concerns; their filters judge it, the conditions
say what it completes, and one `Ledger.settle` per batch makes verdicts, held events, firings and the log's position durable together.
While a settle commits, the log gathers the next batch: batches grow by themselves.

Held events live in memory and in the ledger. Memory changes when a batch is decided, the ledger when it is settled; a settle that the
store refuses is tried again with the same decisions until it is taken, so the two never part. A stale epoch ends the loop.

Changes to sensors and replays happen between batches, under the same lock, so a batch sees one set of sensors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from sensors.filters.finding import Judgement
from sensors.index import Index, Listener
from sensors.program import SensorProgram, TriggerProgram
from tiphys.bus.event import Event
from tiphys.bus.firing import DependencyEvent, Firing, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Decision, Held, Ledger, ReplayRequest, Verdict, VerdictKind
from tiphys.bus.log import EventLog, Stored
from tiphys.errors import StoreUnavailable

__all__ = ["Matcher"]

_log = structlog.get_logger(__name__)
_SLICE: Final = 0.005
_KINDS: Final = {Judgement.FAILED: VerdictKind.FILTERED, Judgement.ERRORED: VerdictKind.ERRORED}
Observer = Callable[[Event, Decision], None]


class Matcher:
    """Decides. `epoch` is that of the engine; `observe` hears of every decision once it is durable (metrics, the demo).

    Usage: `await matcher.load()`, `put` the sensors, then `await matcher.run()` until it is cancelled or raises `StaleEpoch`.
    """

    def __init__(self, log: EventLog, ledger: Ledger, epoch: int, observe: Observer | None = None) -> None:
        self._log, self._ledger, self._epoch = log, ledger, epoch
        self._observe = observe
        self._index = Index()
        self._held: dict[TriggerKey, dict[str, Held]] = {}
        self._deciding = asyncio.Lock()

    @property
    def index(self) -> Index:
        """Who listens to what, for status and `explain`."""
        return self._index

    async def load(self) -> None:
        """Read the held events. Once, before `run`."""
        for held in await self._ledger.held():
            self._held.setdefault(held.key, {})[held.dependency] = held

    def held(self, key: TriggerKey) -> dict[str, Held]:
        """What a trigger holds, by dependency."""
        return dict(self._held.get(key, {}))

    async def put(self, sensor: SensorProgram) -> None:
        """Add a sensor or replace it between two batches. Events held for a definition that changed are dropped (reference 2.4)."""
        async with self._deciding:
            self._index.put(sensor)
            for trigger in sensor.triggers:
                await self._drop_stale(trigger)

    async def _drop_stale(self, trigger: TriggerProgram) -> None:
        held = self._held.get(trigger.key)
        if not held:
            return
        for dependency in [name for name, one in held.items() if trigger.digests.get(name) != one.digest]:
            del held[dependency]
            await self._ledger.release(trigger.key, dependency)
        if not held:
            del self._held[trigger.key]

    async def remove(self, namespace: str, name: str) -> None:
        """Take a sensor out between two batches. What it holds stays until `release`: the sensor may come back."""
        async with self._deciding:
            self._index.remove(namespace, name)

    async def release(self, key: TriggerKey) -> None:
        """Drop what a trigger holds (a condition's reset, the end of the grace after a deletion)."""
        async with self._deciding:
            if self._held.pop(key, None):
                await self._ledger.release(key)

    async def run(self) -> None:
        """Decide until cancelled. Raises `StaleEpoch` when another engine took over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrivals(), name="matcher:arrivals")
            group.create_task(self._replays(), name="matcher:replays")

    async def _arrivals(self) -> None:
        async for batch in self._log.read():
            async with self._deciding:
                await self._batch(batch)

    async def _replays(self) -> None:
        while True:
            requests = await self._ledger.replays(wait=3600.0)
            async with self._deciding:
                for request in requests:
                    decision = self._decide(request.event, request.position, request)
                    await self._settle(0, [(request.event, decision)])

    async def _batch(self, batch: Sequence[Stored]) -> None:
        seen = await self._ledger.seen([stored.event.id for stored in batch])
        decided: list[tuple[Event, Decision]] = []
        until = time.monotonic() + _SLICE
        for position, event, _ in batch:
            if event.id in seen:
                decision = self._duplicate(event, position)
            else:
                decision = self._decide(event, position)
                seen.add(event.id)
            decided.append((event, decision))
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + _SLICE
        if decided:
            await self._settle(batch[-1].position, decided)
            await self._log.ack(batch[-1].position)

    async def _settle(self, position: int, decided: Sequence[tuple[Event, Decision]]) -> None:
        decisions = [decision for _, decision in decided]
        refused = False
        while True:
            try:
                await self._ledger.settle(self._epoch, position, decisions)
                break
            except StoreUnavailable as error:
                if not refused:
                    _log.warning("nothing can be decided: the store takes no writes", action="settle-refused", reason=error.reason)
                refused = True
                await asyncio.sleep(error.retry_after)
        if refused:
            _log.info("deciding goes on: the store takes writes again", action="settle-resumed", position=position)
        if self._observe:
            for event, decision in decided:
                self._observe(event, decision)

    def _duplicate(self, event: Event, position: int) -> Decision:
        verdicts = [
            Verdict(sensor.revision, trigger.index, dependency.index, VerdictKind.DUPLICATE)
            for sensor, dependency, triggers in self._index.listeners(event)
            if position > sensor.since
            for trigger in triggers
        ]
        return Decision(event.id, position, tuple(verdicts))

    def _decide(self, event: Event, position: int, replay: ReplayRequest | None = None) -> Decision:
        making = _Making()
        for listener in self._index.listeners(event):
            if replay is None and position <= listener.sensor.since:
                continue
            triggers = listener.triggers
            if replay and replay.triggers:
                triggers = tuple(trigger for trigger in triggers if trigger.key in replay.triggers)
            if triggers:
                self._listen(listener, triggers, event, position, making, replay.number if replay else 0)
        return making.decision(event.id, position, replay.number if replay else 0)

    def _listen(
        self, listener: Listener, triggers: Sequence[TriggerProgram], event: Event, position: int, making: _Making, replay: int
    ) -> None:
        sensor, dependency, _ = listener
        judgement, clause, _ = dependency.filters.judge(event)
        for trigger in triggers:
            if judgement is Judgement.PASSED:
                kind = self._complete(trigger, dependency.name, event, position, making, replay)
            else:
                kind = _KINDS[judgement]
            making.verdicts.append(Verdict(sensor.revision, trigger.index, dependency.index, kind, clause))

    def _complete(
        self, trigger: TriggerProgram, dependency: str, event: Event, position: int, making: _Making, replay: int
    ) -> VerdictKind:
        """Reference 5.2: what is held and the present event together, or the present event alone where no `&&` stands."""
        key = trigger.key
        events = {dependency: DependencyEvent(event.id, position)}
        if trigger.condition.requires_and:
            held = self._held.setdefault(key, {})
            if not trigger.condition.evaluate({*held, dependency}):
                one = Held(key, dependency, trigger.digests[dependency], event.id, position)
                held[dependency] = one
                making.held[key, dependency] = one
                return VerdictKind.HELD
            events = {name: DependencyEvent(one.event_id, one.position, one.transformed) for name, one in held.items()} | events
            del self._held[key]
            making.release(key)
        elif not trigger.condition.evaluate((dependency,)):
            return VerdictKind.HELD
        ids = {name: one.id for name, one in events.items()}
        identity = firing_id(key.namespace, key.sensor, key.trigger, ids, replay=replay)
        making.firings.append(Firing(identity, key, events, completed_by=dependency, replay=replay))
        return VerdictKind.FIRED


class _Making:
    """A decision while it is made: an event may concern several dependencies of one trigger, one after the other."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.released: dict[TriggerKey, None] = {}
        self.held: dict[tuple[TriggerKey, str], Held] = {}
        self.firings: list[Firing] = []

    def release(self, key: TriggerKey) -> None:
        """All that the trigger holds goes, what this event has put there as well."""
        self.released[key] = None
        for one in [one for one in self.held if one[0] == key]:
            del self.held[one]

    def decision(self, event_id: str, position: int, replay: int) -> Decision:
        """What the ledger applies: releases first, then what was held after them."""
        return Decision(
            event_id,
            position,
            tuple(self.verdicts),
            tuple(self.released),
            tuple(self.held.values()),
            tuple(self.firings),
            replay,
        )
