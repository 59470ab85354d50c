"""A dispatcher over a real ledger, and triggers that write down when they were asked: for tests in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dispatcher.program import TriggerProgram
from dispatcher.queue import Dispatcher, DispatcherSettings
from dispatcher.trigger import Request, Trigger, Work
from tests.dispatcher.support import KEY, Recorder, World, decided, spec
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, FiringState, Target, TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.schema.model import Model

EPOCH = 1_800_000_000.0
_LOOK = 2.0
_WAITING = frozenset(("claim", "replays", "read"))


class Still:
    """A log or a ledger. Virtual time stands still while it writes, in a thread: as it does by itself for whatever runs in an executor."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return method if name in _WAITING else functools.partial(self._still, method)

    @staticmethod
    async def _still(method: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        done = threading.Event()
        standing = asyncio.get_running_loop().run_in_executor(None, done.wait)
        try:
            return await method(*args, **named)
        finally:
            done.set()
            standing.add_done_callback(lambda _: None)


@dataclass
class Sent:
    """What was sent: when (the loop's time), and which number the event bore. `act` is what happens at the far end."""

    calls: list[tuple[float, int]] = field(default_factory=list)
    act: Callable[[int], Awaitable[None]] | None = None

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.calls]

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.calls]


class Sending(Trigger[Model]):
    """A kind of trigger that writes down what it is asked to send."""

    key = "sending"
    spec = Model

    def __init__(self, sent: Sent) -> None:
        self.sent = sent

    async def render(self, work: Work) -> Request:
        (event,) = work.events.values()
        payload: Any = event.payload
        return Request(Target("", "sending", "argo", work.firing.id), {}, body=payload["body"]["n"])

    async def execute(self, request: Request, firing: Firing) -> Target:
        self.sent.calls.append((asyncio.get_running_loop().time(), request.body))
        if self.sent.act is not None:
            await self.sent.act(request.body)
        return request.target

    async def look(self, target: Target, firing: Firing) -> Target | None:
        return None


class SendingProgram(TriggerProgram):
    """The program of a trigger that sends; `entry` is what its manifest says beside the template."""

    def __init__(self, sent: Sent, key: TriggerKey = KEY, **entry: Any) -> None:
        super().__init__(key, spec({"template": {"name": key.trigger, "log": {}}} | entry), World())
        self._sending = Sending(sent)

    def trigger(self, events: Mapping[str, Event], warnings: list[str] | None = None) -> Trigger[Any]:
        return self._sending


@dataclass
class Acting:
    """A dispatcher that runs."""

    log: Any
    ledger: Any
    epoch: int
    dispatcher: Dispatcher
    seen: Recorder

    async def decide(self, numbers: range, key: TriggerKey = KEY, lane: Callable[[int], str] = lambda _: "") -> list[Firing]:
        return await decided(self.log, self.ledger, self.epoch, key, numbers, lane)

    async def until(self, true: Callable[[], bool], seconds: float = 3600.0) -> None:
        """Wait, in virtual time, for something that will be so."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not true():
            assert loop.time() < end, "it did not come about"
            await asyncio.sleep(_LOOK)

    async def states(self, firings: list[Firing]) -> list[FiringState]:
        return [(await self.ledger.firing(one.id)).state for one in firings]


@contextlib.asynccontextmanager
async def acting(folder: Path, settings: DispatcherSettings | None = None) -> AsyncIterator[Acting]:
    """Open what the folder has; the dispatcher is killed at the end, not stopped."""
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return EPOCH + loop.time()

    async with SqliteBus.open(folder, clock=clock) as bus:
        log, ledger, seen = Still(bus.log), cast("Ledger", Still(bus.ledger)), Recorder()
        epoch = await ledger.open_epoch()
        made = Acting(log, ledger, epoch, Dispatcher(ledger, epoch, settings or DispatcherSettings(), seen, clock), seen)
        task = asyncio.create_task(made.dispatcher.run(), name="dispatcher")
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
