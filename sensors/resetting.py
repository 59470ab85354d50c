"""Letting go of what has lapsed: resets by the clock, and `within` (reference 5.3).

Whether two events may meet is decided when the second one arrives, by the instants at which they arrived (`conditions.state`); that is so
whenever they are decided. What is done here is only that nothing stays in memory, in the ledger and before the user's eyes when its time
is over: after a tick, after a start in whose absence a tick came, and when `within` has passed. So it waits for everything that arrived
before: while the log has a backlog, or the trigger rows to decide, it is put off.

One heap of alarms for all triggers, and one task that waits for its head.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable
from typing import Final

from sensors.program import TriggerProgram
from tiphys.bus.firing import TriggerKey

__all__ = ["Resetting"]

_LATENCY: Final = 1.0
_AGAIN: Final = 1.0
_LONGEST: Final = 60.0


class Resetting:
    """Alarms by trigger. `sweep` lets go of what has lapsed for a trigger; it returns the instant of the next look (Unix seconds), `inf`
    for none, or `None` if it has to be put off."""

    def __init__(self, sweep: Callable[[TriggerKey], Awaitable[float | None]], clock: Callable[[], float]) -> None:
        self._sweep, self._clock = sweep, clock
        self._heap: list[tuple[float, TriggerKey]] = []
        self._alarms: dict[TriggerKey, float] = {}
        self._wake = asyncio.Event()

    def watch(self, trigger: TriggerProgram) -> None:
        """The trigger holds something that can lapse: look when it may have."""
        if trigger.key not in self._alarms:
            self._set(trigger.key, trigger.gate.next_lapse(self._clock()))

    def soon(self, key: TriggerKey) -> None:
        """Look at a trigger as soon as may be: a tick may have come while nobody watched."""
        self._set(key, self._clock() - _LATENCY)

    def _set(self, key: TriggerKey, at: float) -> None:
        if at == math.inf:
            self._alarms.pop(key, None)
            return
        # an event that arrived just before may still be on its way to the disk
        due = at + _LATENCY
        self._alarms[key] = due
        heapq.heappush(self._heap, (due, key))
        if self._heap[0][1] == key:
            self._wake.set()

    async def run(self) -> None:
        """Wait for the head of the heap, again and again, until cancelled."""
        while True:
            self._wake.clear()
            await self._pause()
            while self._heap and self._heap[0][0] <= self._clock():
                due, key = heapq.heappop(self._heap)
                if self._alarms.get(key) == due:
                    following = await self._sweep(key)
                    self._set(key, self._clock() + _AGAIN - _LATENCY if following is None else following)

    async def _pause(self) -> None:
        """Until the head is due; not for long, since the clock may be set."""
        wait = min(self._heap[0][0] - self._clock(), _LONGEST) if self._heap else _LONGEST
        if wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                return
