"""The workers, and who gets which.

A call takes an idle worker, or starts one while fewer than `workers` run, or waits its turn: first come, first served. A worker that
exceeded a limit, crashed, or whose caller was cancelled is ended before its place is free again, so there are never more than `most`
processes. No wait is without a limit: a call ends after `wall` seconds at the latest, a start after thirty, an end after five, and the
queue is bounded.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from types import TracebackType
from typing import Final, Self

import structlog

from sensors.scripts.program import Program, ScriptSettings
from sensors.scripts.worker import Worker
from tiphys.errors import ScriptsUnavailable

__all__ = ["Scripts"]

_log = structlog.get_logger(__name__)
_PATIENCE: Final = 0.1
_END_LIMIT: Final = 45.0  # a start that is under way, and an end
_STOPPING: Final = "the service is stopping"


class Scripts:
    """Runs programs in worker processes. Enter it, then `run`; leaving ends every process.

    Nothing is started before the first call. One event loop only.
    """

    def __init__(self, settings: ScriptSettings | None = None) -> None:
        self.settings = settings or ScriptSettings()
        self._idle: dict[Worker, asyncio.TimerHandle] = {}  # the one used last is last
        self._waiting: deque[asyncio.Future[Worker | None]] = deque()  # each gets a worker, or `None`: a place to start one
        self._places = 0  # workers that run, start or end
        self._busy: set[Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._vacant = asyncio.Event()  # no place is taken
        self._vacant.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        while self._waiting:
            if not (waiter := self._waiting.popleft()).done():
                waiter.set_exception(ScriptsUnavailable("", _STOPPING))
        for worker in (*self._idle, *self._busy):
            self._retire(worker)
        async with asyncio.timeout(_END_LIMIT):
            await self._vacant.wait()
            while self._ending:
                await asyncio.wait(set(self._ending))

    @property
    def pids(self) -> list[int]:
        """The processes that are ready or busy."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        """What the program makes of the event's data: JSON of a transform, the verdict of a filter.

        Raises `ScriptError`, with `killed` where the program exceeded a limit and its worker was replaced; `ScriptsUnavailable`, one of
        them, where it was not run at all and another time may do.
        """
        worker = await self._take(program)
        self._busy.add(worker)
        try:
            return await worker.call(program, data)
        finally:
            self._busy.discard(worker)
            self._give(worker)

    async def _take(self, program: Program) -> Worker:
        if self._closed:
            raise ScriptsUnavailable(program.text, _STOPPING)
        while self._idle and not self._waiting:
            worker, timer = self._idle.popitem()
            timer.cancel()
            if not worker.broken:
                return worker
            self._retire(worker)
        if self._places < self.settings.workers:
            self._occupy()
            return await self._start(program)
        if len(self._waiting) >= self.settings.queue:
            raise ScriptsUnavailable(program.text, f"{self.settings.queue:,} other calls wait for a worker")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Worker | None] = loop.create_future()
        self._waiting.append(waiter)
        impatience = loop.call_later(_PATIENCE, self._grow) if self._places < self.settings.most else None
        try:
            found = await waiter
        except asyncio.CancelledError:
            self._hand_back(waiter)
            raise
        finally:
            if impatience is not None:
                impatience.cancel()
        return await self._start(program) if found is None else found

    def _hand_back(self, waiter: asyncio.Future[Worker | None]) -> None:
        """Its caller was cancelled, perhaps after it was served."""
        if not waiter.done() or waiter.cancelled():
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        elif waiter.exception() is None:
            if (given := waiter.result()) is None:
                self._free()
            else:
                self._give(given)

    async def _start(self, program: Program) -> Worker:
        """Start one in a place that is taken already."""
        try:
            worker = await Worker.start(self.settings)
        except BaseException as error:
            self._free()
            if isinstance(error, ScriptsUnavailable):
                raise ScriptsUnavailable(program.text, error.problem) from error
            raise
        if self._closed:
            self._retire(worker)
            raise ScriptsUnavailable(program.text, _STOPPING)
        return worker

    def _give(self, worker: Worker) -> None:
        """It is free: for who waits longest, or to idle."""
        if worker.broken or self._closed:
            self._retire(worker)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        loop = asyncio.get_running_loop()
        self._idle[worker] = loop.call_later(self.settings.idle, self._retire, worker)

    def _grow(self) -> None:
        """Who waits longest gets a place to start a worker in, if there may be one more."""
        if self._closed:
            return
        while self._waiting and self._places < self.settings.most:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._occupy()
                waiter.set_result(None)
                return

    def _occupy(self) -> None:
        self._places += 1
        self._vacant.clear()

    def _free(self) -> None:
        self._places -= 1
        if self._places == 0:
            self._vacant.set()
        if self._places < self.settings.workers:
            self._grow()

    def _retire(self, worker: Worker) -> None:
        timer = self._idle.pop(worker, None)
        if timer is not None:
            timer.cancel()
        task = asyncio.get_running_loop().create_task(self._end(worker), name=f"end of script worker {worker.pid}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, worker: Worker) -> None:
        try:
            await worker.end()
        except subprocess.TimeoutExpired:
            _log.warning("a script worker does not end", action="script_worker_stuck", pid=worker.pid)
        finally:
            self._free()
