"""Triggers that decide later: those whose programs run in a worker process, and those with `once`.

The log does not wait for them. A row in the ledger stands for each such event and trigger, written in the settle that moves the position
on. The rows of a trigger are decided in order; while it has any, its later events get rows as well, also where their own dependency needs
no worker. A few workers take the triggers in turn, a slice at a time, so that one whose script is slow holds up nobody else.

A slice is read from the ledger, judged (which may take its time and changes nothing), and concluded: conditions, firings and verdicts, made
durable together with what other workers have ready by then. Only concluding needs the lock under which sensors change; a slice that was
judged by a program that is no longer the present one is judged again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from sensors.holding import Holdings
from sensors.index import Index
from sensors.program import SensorProgram, TriggerProgram
from sensors.refusing import Refusing
from sensors.repeating import Repeating
from sensors.rows import Judgements, Rows
from sensors.scripts import Runner
from sensors.settling import until_taken
from sensors.suspicion import Suspicion
from tiphys.bus.crashpoints import reach
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Deferred, Ledger
from tiphys.errors import ScriptsUnavailable

__all__ = ["Deferral"]

_log = structlog.get_logger(__name__)
_WORKERS: Final = 8
_PAGE: Final = 64
_SLICE: Final = 0.02
_BREATH: Final = 0.005
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


class _Queue:
    """The rows of one trigger: how many the ledger has, how many are decided to be there and not settled yet, and whether it is with a
    worker or waits for one."""

    __slots__ = ("key", "pause", "promised", "stored", "taken")

    def __init__(self, key: TriggerKey, stored: int = 0) -> None:
        self.key = key
        self.stored, self.promised = stored, 0
        self.taken = False
        self.pause = 0.0


@dataclass(frozen=True, slots=True)
class _Slice:
    """Rows of one trigger that are judged, by that version of it."""

    queue: _Queue
    sensor: SensorProgram
    trigger: TriggerProgram
    rows: Sequence[tuple[Deferred, Event | None, Judgements]]


class Deferral:
    """The queues of the triggers that decide later."""

    def __init__(
        self,
        ledger: Ledger,
        epoch: int,
        index: Index,
        holdings: Holdings,
        refusing: Refusing,
        suspicion: Suspicion,
        scripts: Runner | None,
        observe: Callable[[Event, Decision], None] | None,
    ) -> None:
        self._ledger, self._epoch, self._index = ledger, epoch, index
        self._suspicion = suspicion
        self._rows = Rows(ledger, holdings, refusing, suspicion, scripts)
        self._observe = observe
        self._queues: dict[TriggerKey, _Queue] = {}
        self._ready: asyncio.Queue[_Queue] = asyncio.Queue()
        self._judged: list[_Slice] = []
        self.concluding = asyncio.Lock()
        """Held while rows are concluded; who changes a sensor or what is held takes it."""

    async def load(self) -> None:
        """Find out what waits. Once, before `run`."""
        for key, count in (await self._ledger.deferring()).items():
            self._queues[key] = _Queue(key, count)

    @property
    def waiting(self) -> int:
        """Rows of all triggers."""
        return sum(queue.stored + queue.promised for queue in self._queues.values())

    def counts(self) -> dict[TriggerKey, int]:
        """Rows of each trigger."""
        return {key: queue.stored + queue.promised for key, queue in self._queues.items()}

    def keys(self) -> list[TriggerKey]:
        """The triggers that have rows."""
        return list(self._queues)

    def waits(self, key: TriggerKey) -> bool:
        """Whether a trigger's next event must wait for earlier ones."""
        return key in self._queues

    def __bool__(self) -> bool:
        """Whether any trigger has rows."""
        return bool(self._queues)

    def promise(self, keys: Iterable[TriggerKey]) -> None:
        """Rows that the next settle writes."""
        for key in keys:
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = _Queue(key)
            queue.promised += 1

    def settled(self, keys: Iterable[TriggerKey]) -> None:
        """They are durable."""
        for key in keys:
            queue = self._queues[key]
            queue.promised -= 1
            queue.stored += 1
            self._offer(queue)

    def awaken(self, keys: Iterable[TriggerKey]) -> None:
        """Triggers that are known now."""
        for key in keys:
            if queue := self._queues.get(key):
                self._offer(queue)

    async def abandon(self, key: TriggerKey) -> None:
        """Drop a trigger's rows; its sensor is gone. Needs `concluding`, and no batch under way."""
        if self._queues.pop(key, None):
            await until_taken(lambda: self._ledger.abandon(key))

    def _offer(self, queue: _Queue) -> None:
        if queue.stored and not queue.taken and self._index.trigger(queue.key) is not None:
            queue.taken = True
            self._ready.put_nowait(queue)

    def _give_back(self, queue: _Queue) -> None:
        queue.taken = False
        if self._queues.get(queue.key) is not queue:
            return  # abandoned meanwhile
        if queue.stored or queue.promised:
            self._offer(queue)
        else:
            del self._queues[queue.key]

    async def run(self, deciding: asyncio.Lock) -> None:
        """Decide until cancelled; first, alone, what is suspected of having ended the process. `deciding` is held by whoever decides."""
        for key in self._suspicion.triggers:
            await self._try(key, deciding)
        async with asyncio.TaskGroup() as group:
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"matcher:deferred:{number}")

    async def _try(self, key: TriggerKey, deciding: asyncio.Lock) -> None:
        """Decide the rows that could be in one slice, one by one. The queue may stand in line already, and then it stays there."""
        _log.warning("rows that were first when processes ended are decided alone", action="deferred-alone", trigger="/".join(key))
        for _ in range(_PAGE):
            async with deciding:
                queue = self._queues.get(key)
                if queue is None or not queue.stored or self._index.trigger(key) is None:
                    return
                try:
                    for row, _event in await self._ledger.deferred(key, 1):
                        async with self._suspicion.alone(row.number):
                            await self._decide_one(queue)
                except ScriptsUnavailable:
                    return  # no fault of the row's: it waits in line

    async def _decide_one(self, queue: _Queue) -> None:
        judged = await self._judge(queue, 1)
        if judged is not None:
            async with self.concluding:
                await self._conclude([judged], in_line=queue.taken)

    async def _work(self) -> None:
        while True:
            queue = await self._ready.get()
            try:
                judged = await self._judge(queue)
            except ScriptsUnavailable as error:
                self._put_off(queue, error)
                continue
            if judged is None:
                queue.taken = False  # its sensor is away: whoever brings it back offers it
                continue
            queue.pause = 0.0
            reach("deferred:judged")
            self._judged.append(judged)
            async with self.concluding:
                if self._judged:
                    slices, self._judged = self._judged, []
                    await self._conclude(slices)

    def _put_off(self, queue: _Queue, error: ScriptsUnavailable) -> None:
        if not self._rows.unavailable:
            self._rows.unavailable = True
            _log.warning("scripts cannot be run; their events wait", action="scripts-unavailable", reason=error.problem)
        queue.pause = min(queue.pause * 2 or _PAUSE, _LONGEST_PAUSE)
        asyncio.get_running_loop().call_later(queue.pause, self._give_back, queue)

    # -- judging

    async def _judge(self, queue: _Queue, limit: int = _PAGE) -> _Slice | None:
        found = self._index.trigger(queue.key)
        if found is None:
            return None
        sensor, trigger = found
        rows: list[tuple[Deferred, Event | None, Judgements]] = []
        started = breathed = time.monotonic()
        for row, event in await self._ledger.deferred(queue.key, limit):
            rows.append((row, event, await self._rows.judgements(sensor, trigger, row, event)))
            now = time.monotonic()
            if now > started + _SLICE:
                break
            if now > breathed + _BREATH:
                await asyncio.sleep(0)
                breathed = time.monotonic()
        return _Slice(queue, sensor, trigger, rows)

    # -- concluding

    async def _conclude(self, slices: Sequence[_Slice], *, in_line: bool = False) -> None:
        """`in_line`: their queues stand in line still, so that they are not given back."""
        repeating = Repeating(self._ledger)
        decided: list[tuple[Deferred, Event | None, Decision]] = []
        for one in slices:
            if self._queues.get(one.queue.key) is not one.queue:
                continue  # abandoned meanwhile
            found = self._index.trigger(one.queue.key)
            if found is not None and found[1] is one.trigger:
                for row, event, judgements in one.rows:
                    decided.append(
                        (row, event, await self._rows.decision(one.sensor, one.trigger, row, event, judgements, repeating))
                    )
                one.queue.stored -= len(one.rows)
        if decided:
            settled = [(row, decision) for row, _, decision in decided]
            await until_taken(lambda: self._ledger.settle_deferred(self._epoch, settled))
        for one in slices:
            if not one.rows and one.queue.stored:
                await self._recount(one.queue)
            if not in_line:
                self._give_back(one.queue)
        if self._observe:
            for _, event, decision in decided:
                if event is not None:
                    self._observe(event, decision)

    async def _recount(self, queue: _Queue) -> None:
        """Rows were set aside since they were damaged. Those that are settled meanwhile count by themselves."""
        thought = queue.stored
        queue.stored += (await self._ledger.deferring()).get(queue.key, 0) - thought
