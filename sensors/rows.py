"""Deferred rows, one by one: what the dependencies find, which may take its time and changes nothing, and what is decided from that."""

from __future__ import annotations

import structlog

from sensors.filters.finding import Judged, Judgement
from sensors.holding import Holdings
from sensors.judging import KINDS, judge_away
from sensors.making import Making
from sensors.program import DependencyProgram, SensorProgram, TriggerProgram
from sensors.refusing import Refusing
from sensors.repeating import Repeating
from sensors.scripts import Program, Runner
from sensors.suspicion import Suspicion
from tiphys.bus.event import Event
from tiphys.bus.ledger import Decision, Deferred, Ledger, Verdict, VerdictKind
from tiphys.errors import ScriptsUnavailable

__all__ = ["Judgements", "Rows"]

_log = structlog.get_logger(__name__)

Judgements = list[tuple[DependencyProgram, Judged]]
"""What each dependency of a trigger that an event concerns makes of it."""


class _NoScripts:
    """Where scripts cannot be run."""

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        """Raises `ScriptsUnavailable`."""
        raise ScriptsUnavailable(program.text, "this service runs no scripts")


class _Watched:
    """Scripts whose time is not held against the row that they are run for."""

    def __init__(self, scripts: Runner, suspicion: Suspicion) -> None:
        self._scripts, self._suspicion = scripts, suspicion

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        """As the scripts do."""
        async with self._suspicion.elsewhere():
            return await self._scripts.run(program, data)


class Rows:
    """Judges rows and decides about them. `unavailable` is set by whoever hears that scripts cannot be run; it is over when one is."""

    def __init__(
        self, ledger: Ledger, holdings: Holdings, refusing: Refusing, suspicion: Suspicion, scripts: Runner | None
    ) -> None:
        self._ledger, self._holdings, self._refusing, self._suspicion = ledger, holdings, refusing, suspicion
        self._scripts: Runner = _Watched(scripts or _NoScripts(), suspicion)
        self.unavailable = False

    async def judgements(self, sensor: SensorProgram, trigger: TriggerProgram, row: Deferred, event: Event | None) -> Judgements:
        """What the dependencies of the trigger find; nothing for what is not to be asked about: an event that came before the sensor, or
        one that is set aside. Raises `ScriptsUnavailable`."""
        if event is None or (not row.replay and row.position <= sensor.since) or self._suspicion.guilty(row.number):
            return []
        names = trigger.condition.names
        found: Judgements = []
        for dependency in sensor.listening(event):
            if dependency.name in names:
                judged = await judge_away(sensor, dependency, event, self._scripts)
                if self.unavailable and dependency.filters.away:
                    self.unavailable = False
                    _log.info("scripts run again", action="scripts-resumed")
                found.append((dependency, judged))
        return found

    async def decision(
        self,
        sensor: SensorProgram,
        trigger: TriggerProgram,
        row: Deferred,
        event: Event | None,
        judgements: Judgements,
        repeating: Repeating,
    ) -> Decision:
        """What is decided about a row from that. What is held changes with it; the decision is still to be settled."""
        if event is None:
            return Decision(row.event_id, row.position)
        before = await self._ledger.refusals(row.position) if row.replay else ()
        making = Making(event, row.position, row.at, row.replay, before)
        if self._suspicion.guilty(row.number):
            self._set_aside(sensor, trigger, row, making)
        for dependency, (judgement, clause, data) in judgements:
            kind = KINDS.get(judgement, VerdictKind.ERRORED)
            if judgement is Judgement.PASSED:
                kind = await self._arrive(trigger, dependency, data, making, repeating)
            making.verdicts.append(Verdict(sensor.revision, trigger.index, dependency.index, kind, clause))
        return making.decision()

    async def _arrive(
        self, trigger: TriggerProgram, dependency: DependencyProgram, data: bytes | None, making: Making, repeating: Repeating
    ) -> VerdictKind:
        arrival = self._holdings.arrive(trigger, dependency, data, making)
        if arrival.firing is None:
            return arrival.kind
        if await self._refusing.refused(trigger, arrival, making):
            return VerdictKind.REFUSED
        kind = await repeating.decide(trigger, arrival.firing, making)
        if kind is not VerdictKind.FIRED:
            making.use_up(arrival.beside, kind.name.lower(), making.at)
        return kind

    def _set_aside(self, sensor: SensorProgram, trigger: TriggerProgram, row: Deferred, making: Making) -> None:
        self._suspicion.set_aside(row.number, row.event_id, row.key)
        making.verdicts += [
            Verdict(sensor.revision, trigger.index, dependency.index, VerdictKind.SET_ASIDE)
            for dependency in sensor.listening(making.event)
            if dependency.name in trigger.condition.names
        ]
