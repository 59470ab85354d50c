"""From settings to a running process: the event loop, signals, and the end.

The first SIGTERM or SIGINT ends the service in order, also while it still opens; a second one ends it at once. Correctness never
depends on a clean stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tiphys.app.logging import configure
from tiphys.app.observing import Observer
from tiphys.app.service import Service, open_service
from tiphys.app.settings import Settings

__all__ = ["run_service", "run_until_stopped"]

Main = Callable[[Service], Awaitable[None]]


def run_service(settings: Settings) -> None:
    """Run the service until it is stopped."""
    run_until_stopped(settings, None)


def run_until_stopped(settings: Settings, main: Main | None, observer: Observer | None = None) -> None:
    """Run the service and, once it is ready, `main`; until a signal. What the service raises comes out as it is."""
    configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_run(settings, main, observer))
        except ExceptionGroup as group:
            raise _first(group) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first error of a group: each supervisor ends with the one that ended it."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  there is none on Windows and PyPy
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(settings: Settings, main: Main | None, observer: Observer | None) -> None:
    stop = asyncio.Event()
    opening = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        if opening:
            opening.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, on_signal)
    try:
        async with open_service(settings, observer) as service:
            opening = None
            await _until(stop, _work(service, main))
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or `stop` is set. This task itself is not cancelled, so that what is open can be closed in peace."""
    working = asyncio.create_task(work, name="service")
    stopping = asyncio.create_task(stop.wait(), name="stop-signal")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def _work(service: Service, main: Main | None) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(service.failure(), name="service:failure")
        if main:
            await service.ready()
            await main(service)
