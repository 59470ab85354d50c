"""A wall clock that goes by the event loop's time, which is virtual in tests (looptime)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from eventsource.clock import RECHECK, Clock


class LoopAlarm:
    """Rings by the loop's own timer. `wall` may be set; the timer knows nothing of it, as in life."""

    def __init__(self, start: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.wall = datetime.fromisoformat(start).astimezone(UTC)
        self.rung = 0
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=round(self._loop.time() - self._began, 6))

    def set(self, at: datetime, ring: Callable[[], None]) -> None:
        self.close()
        self._timer = self._loop.call_later((at - self.now()).total_seconds(), self._ring, ring)

    def _ring(self, ring: Callable[[], None]) -> None:
        self.rung += 1
        ring()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def virtual_clock(start: str, recheck: timedelta = RECHECK) -> tuple[Clock, LoopAlarm]:
    """A clock that stands at `start` (RFC 3339) now."""
    alarm = LoopAlarm(start)
    return Clock(alarm, alarm.now, recheck), alarm
