"""One clock for many time limits: what `asyncio.timeout` does, to the second instead of exactly, at a tenth of its cost.

Each request has a limit that hardly one ever reaches. So there is no timer for each, but one that looks once a second, while there is
anything to look at.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

__all__ = ["Alarm"]

_LOOK = 1.0


class Alarm:
    """Cancels blocks that take too long; they raise `TimeoutError` then. A block that completes nevertheless returns as usual."""

    def __init__(self) -> None:
        self._watched: dict[Limit, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Limit:
        """A context manager around the awaits of the current task."""
        return Limit(self, seconds)

    def watch(self, limit: Limit, loop: asyncio.AbstractEventLoop) -> None:
        """Look at a limit from now on."""
        self._watched[limit] = None
        if self._timer is None:
            self._timer = loop.call_later(_LOOK, self._look, loop)

    def forget(self, limit: Limit) -> None:
        """Its block has ended."""
        del self._watched[limit]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for limit in self._watched:
            limit.look(now)
        self._timer = loop.call_later(_LOOK, self._look, loop) if self._watched else None


class Limit:
    """One block with its deadline."""

    __slots__ = ("_alarm", "_cancelling", "_deadline", "_late", "_seconds", "_task")

    def __init__(self, alarm: Alarm, seconds: float) -> None:
        self._alarm, self._seconds = alarm, seconds
        self._late = False
        self._deadline = 0.0
        self._cancelling = 0
        self._task: asyncio.Task[Any] | None = None

    def look(self, now: float) -> None:
        """Cancel the block if it is late, once."""
        if now >= self._deadline and not self._late and self._task is not None:
            self._late = True
            self._task.cancel()

    def __enter__(self) -> Limit:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        assert self._task is not None  # noqa: S101  there is one wherever something can be awaited
        self._cancelling = self._task.cancelling()
        self._deadline = loop.time() + self._seconds
        self._alarm.watch(self, loop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._alarm.forget(self)
        task = self._task
        if self._late and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
