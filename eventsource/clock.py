"""The clock of everything that waits for an instant of the wall clock.

APScheduler keeps the time, with one alarm for the earliest sleeper of a heap, not a job for each: ten thousand jobs due at one instant
would hold the loop for a second. Sleepers that are due are woken in small groups, one for each pass of the loop, so that others get
their turn in between.

The alarm rings at least twice a minute: a timer counts seconds of a machine that is awake and knows nothing of a wall clock that was set.
A late alarm is an alarm: APScheduler's `misfire_grace_time`, by default one second after which a job is dropped without a word, is off.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from apscheduler.schedulers.asyncio import AsyncIOScheduler

__all__ = ["Alarm", "Clock", "SchedulerAlarm", "shared_clock"]

RECHECK: Final = timedelta(seconds=30)
"""The longest that an alarm is set ahead."""
AT_ONCE: Final = 64
"""Sleepers woken in one pass of the loop."""


class Alarm(Protocol):
    """Rings once, at an instant that can be changed until then."""

    def set(self, at: datetime, ring: Callable[[], None]) -> None:
        """Call `ring` on the event loop at `at` or soon after, instead of what was set before."""

    def close(self) -> None:
        """Ring no more."""


class SchedulerAlarm:
    """The alarm of APScheduler, on the running event loop."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.start()
        self._ring: Callable[[], None] | None = None

    def set(self, at: datetime, ring: Callable[[], None]) -> None:
        """One job, moved to `at`."""
        self._ring = ring
        # A coroutine function: APScheduler would run any other in a thread.
        self._scheduler.add_job(
            self._fire,
            "date",
            run_date=at,
            id="head",
            replace_existing=True,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=16,
        )

    async def _fire(self) -> None:
        if self._ring is not None:
            self._ring()

    def close(self) -> None:
        """Stop the scheduler; its timer goes with it."""
        self._ring = None
        self._scheduler.shutdown(wait=False)


class _Sleeper(NamedTuple):
    due: float
    number: int
    future: asyncio.Future[None]


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Sleepers by the instant at which they are due. `now` is the wall clock, in UTC; the alarm is set at most `recheck` ahead."""

    def __init__(self, alarm: Alarm, now: Callable[[], datetime] = _wall_clock, recheck: timedelta = RECHECK) -> None:
        self.now = now
        self._alarm = alarm
        self._recheck = recheck
        self._sleepers: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._left = 0
        self._set: float | None = None
        self._ringing = False

    async def sleep_until(self, instant: datetime) -> None:
        """Return at that instant or soon after; at once, but not before others had a turn, if it is past."""
        due = instant.timestamp()
        if due <= self.now().timestamp():
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, _Sleeper(due, next(self._numbers), future))
        self._arrange()
        try:
            await future
        except asyncio.CancelledError:
            self._leave()
            raise

    @property
    def sleeping(self) -> int:
        """How many sleep."""
        return sum(not sleeper.future.done() for sleeper in self._sleepers)

    def _leave(self) -> None:
        """A sleeper that went away stays in the heap until its time; if most have gone, the heap is made anew."""
        self._left += 1
        if self._left > 64 and self._left * 2 > len(self._sleepers):
            self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper.future.done()]
            heapq.heapify(self._sleepers)
            self._left = 0

    def _arrange(self) -> None:
        if not self._sleepers or self._ringing:
            return
        latest = (self.now() + self._recheck).timestamp()
        wanted = min(self._sleepers[0].due, latest)
        if self._set is None or wanted < self._set:
            self._set = wanted
            self._alarm.set(datetime.fromtimestamp(wanted, UTC), self._ring)

    def _ring(self) -> None:
        self._set = None
        now, woken = self.now().timestamp(), 0
        while self._sleepers and self._sleepers[0].due <= now and woken < AT_ONCE:
            future = heapq.heappop(self._sleepers).future
            if not future.done():
                future.set_result(None)
                woken += 1
        self._ringing = bool(self._sleepers) and self._sleepers[0].due <= now
        if self._ringing:
            asyncio.get_running_loop().call_soon(self._ring)
        else:
            self._arrange()


class _Shared:
    def __init__(self, alarm: Alarm) -> None:
        self.alarm, self.clock, self.users = alarm, Clock(alarm), 0


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@asynccontextmanager
async def shared_clock() -> AsyncIterator[Clock]:
    """The one clock of the running loop: made for the first user, closed after the last."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None:
        shared = _shared[loop] = _Shared(SchedulerAlarm())
    shared.users += 1
    try:
        yield shared.clock
    finally:
        shared.users -= 1
        if not shared.users:
            del _shared[loop]
            shared.alarm.close()
