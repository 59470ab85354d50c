"""Deciding about one event: what all whom it concerns make of it, at once or by a row for later.

Many may be concerned, and their programs may take their time: every few milliseconds others have their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

from sensors.deferral import Deferral
from sensors.filters.finding import Judgement
from sensors.holding import Arrival, Holdings
from sensors.index import Index, Listener
from sensors.judging import KINDS, judge
from sensors.making import Making
from sensors.program import TriggerProgram
from sensors.refusing import Refusing
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Verdict, VerdictKind

__all__ = ["Deciding"]

_SLICE: Final = 0.005
_LOOK_EVERY: Final = 64
_Asked = tuple[TriggerProgram, Arrival, Verdict]


class Deciding:
    """Decides. What is held changes with it; the decision is still to be settled."""

    def __init__(self, index: Index, holdings: Holdings, deferral: Deferral, refusing: Refusing) -> None:
        self._index, self._holdings, self._deferral, self._refusing = index, holdings, deferral, refusing
        self._breathed = 0.0

    def begin(self) -> None:
        """Others have just had their turn."""
        self._breathed = time.monotonic()

    def late(self) -> bool:
        """Whether others should have their turn."""
        return time.monotonic() > self._breathed + _SLICE

    async def breathe(self) -> None:
        """Let others have their turn, at the latest every few milliseconds."""
        if self.late():
            await asyncio.sleep(0)
            self._breathed = time.monotonic()

    def without_judging(self, event: Event, position: int, kind: VerdictKind) -> Decision:
        """One verdict for all whom the event concerns."""
        verdicts = [
            Verdict(sensor.revision, trigger.index, dependency.index, kind)
            for sensor, dependency, triggers, _ in self._index.listeners(event)
            if position > sensor.since
            for trigger in triggers
        ]
        return Decision(event.id, position, tuple(verdicts))

    async def decide(self, making: Making, only: frozenset[TriggerKey] = frozenset()) -> Decision:
        """What all whom the event concerns make of it; of a replay, `only` those triggers (none named: all)."""
        for number, listener in enumerate(self._index.listeners(making.event), 1):
            if making.replay == 0 and making.position <= listener.sensor.since:
                continue
            triggers: Iterable[TriggerProgram] = listener.triggers
            if only:
                triggers = [trigger for trigger in triggers if trigger.key in only]
            if listener.later or making.deferred or self._deferral:
                triggers = self._now(listener, triggers, making)
            if triggers and (asked := self._listen(listener, triggers, making)):
                await self._ask(asked, making)
            if number % _LOOK_EVERY == 0:
                await self.breathe()
        if making.deferred:
            self._deferral.promise(making.deferred)
        return making.decision()

    def _now(self, listener: Listener, triggers: Iterable[TriggerProgram], making: Making) -> list[TriggerProgram]:
        """Those that decide at once; the others get a row, one for all the dependencies that the event concerns."""
        now = []
        for trigger in triggers:
            key = trigger.key
            if key in making.deferred:
                continue
            if key in listener.later or self._deferral.waits(key):
                making.defer(key)
            else:
                now.append(trigger)
        return now

    def _listen(self, listener: Listener, triggers: Iterable[TriggerProgram], making: Making) -> Sequence[_Asked]:
        """What triggers make of it. Those that are to be asked about their firing come back."""
        sensor, dependency, _, _ = listener
        judgement, clause, data = judge(sensor, dependency, making.event)
        asked: list[_Asked] = []
        passed = judgement is Judgement.PASSED
        for trigger in triggers:
            if passed:
                arrival = self._holdings.arrive(trigger, dependency, data, making)
                kind = arrival.kind
                if arrival.firing is not None:
                    if trigger.check is not None:
                        asked.append((trigger, arrival, Verdict(sensor.revision, trigger.index, dependency.index, kind, clause)))
                        continue
                    making.firings.append(trigger.gathering(arrival.firing))
            else:
                kind = KINDS[judgement]
            making.verdicts.append(Verdict(sensor.revision, trigger.index, dependency.index, kind, clause))
        return asked

    async def _ask(self, asked: Sequence[_Asked], making: Making) -> None:
        for trigger, arrival, verdict in asked:
            if await self._refusing.refused(trigger, arrival, making):
                making.verdicts.append(verdict._replace(kind=VerdictKind.REFUSED))
            else:
                making.verdicts.append(verdict)
                making.firings += [trigger.gathering(arrival.firing)] if arrival.firing is not None else []
            await self.breathe()
