"""The room: everything that listens, kept running.

`Room.apply` takes an accepted EventSource and brings what runs in line with it, entry by entry: what did not change is not touched. An
endpoint becomes a route of the ingress. A source becomes one named task, restarted with back-off for ever; its failure is its own, is
logged once, and so is its recovery.

What a manifest change may cost: a request in flight ends at the endpoint that it began with; a source that changed is cancelled, and its
cursor says where its successor goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, cast

import structlog

from eventsource.filter import EventFilter, Observer, Sieve, Unobserved
from eventsource.health import EntryHealth, Status, trace
from eventsource.ingress import Age, Binding, Ingress, Owner
from eventsource.manifest import Entry, EventSource
from eventsource.setting import Setting
from eventsource.source import Address, Context, Emit, Endpoint, Health, Source
from tiphys.bus.event import Event
from tiphys.bus.ledger import Ledger
from tiphys.bus.log import EventLog
from tiphys.errors import SourceError, TiphysError
from tiphys.schema.secret import Secrets

__all__ = ["Restarts", "Room"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restarts:
    """When a source that failed is started again: after `first` seconds, then twice as long each time up to `most`, each spread by
    `jitter` (a fraction). One that ran for `settled` seconds begins anew. `stop`: seconds that a cancelled source has to end."""

    first: float = 1.0
    most: float = 60.0
    jitter: float = 0.2
    settled: float = 60.0
    stop: float = 10.0

    def delay(self, failures: int) -> float:
        """Seconds before the restart after this many failures in a row, from 1."""
        wait = min(self.most, self.first * 2.0 ** min(failures - 1, 30))
        return wait * (1.0 + self.jitter * (random.random() * 2.0 - 1.0))  # noqa: S311  spreads restarts; nobody guesses at it


@dataclass(eq=False, slots=True)
class _Running:
    """An entry that runs: a binding of the ingress or a task."""

    entry: Entry
    bus: str
    status: Status
    emit: Emit
    sieve: Sieve | None = None
    binding: Binding | None = None
    task: asyncio.Task[None] | None = None

    @property
    def registers(self) -> bool:
        """Whether it is an endpoint whose caller has to be told of it."""
        return self.binding is not None and self.binding.endpoint.registers

    def report(self, problem: Exception) -> None:
        """Why its task ended."""
        text = f"{problem}" or type(problem).__name__
        if self.binding is None:
            self.status.ill(text, cause=problem)
            return
        self.binding.trouble(_REGISTRATION, text)
        if not isinstance(problem, TiphysError):
            _log.error("a registration failed in an unforeseen way", action="registration-crashed", address=str(self.status.address),
                       error=type(problem).__name__, trace=trace(problem))  # fmt: skip


class _Registration:
    """The `Health` of an endpoint: what it says is one topic of its binding, beside what the ingress says."""

    def __init__(self) -> None:
        self.binding: Binding | None = None

    def well(self) -> None:
        """The caller knows of it."""
        if self.binding is not None:
            self.binding.trouble(_REGISTRATION, None)

    def ill(self, problem: str) -> None:
        """It does not."""
        if self.binding is not None:
            self.binding.trouble(_REGISTRATION, problem)


_NONE: Final[Mapping[str, _Running]] = {}
_REGISTRATION: Final = "registration"


class Room:
    """Runs EventSources. A context manager: leaving it stops every source, each with its time limit. The ingress is the caller's to open
    and close, and is closed before."""

    def __init__(
        self,
        log: EventLog,
        ledger: Ledger,
        secrets: Secrets,
        ingress: Ingress,
        restarts: Restarts | None = None,
        observer: Observer | None = None,
        setting: Callable[[Address, str, Health, Secrets], Context] = Setting,
        runs: bool = True,
    ) -> None:
        """For a dry run: `setting` makes what a source gets, so that its events can be the same each time; without `runs` nothing is done
        but what the ingress calls."""
        self._log = log
        self._ledger = ledger
        self._secrets = secrets
        self._ingress = ingress
        self._restarts = restarts or Restarts()
        self._observer = observer or Unobserved()
        self._setting, self._runs = setting, runs
        self._running: dict[Owner, dict[str, _Running]] = {}
        self._arrivals: dict[Owner, int] = {}
        self._arrived = 0
        self._locks: dict[Owner, asyncio.Lock] = {}
        self._withdrawing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Room:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        everything = [running for entries in self._running.values() for running in entries.values()]
        self._running.clear()
        await self._stop(everything)
        if self._withdrawing:  # each has a time limit of its own
            await asyncio.wait(self._withdrawing)

    async def apply(self, manifest: EventSource) -> None:
        """Run this version of an EventSource in place of the one before. Returns when its routes stand and its sources are started."""
        owner = Owner(manifest.namespace, manifest.name)
        async with self._locks.setdefault(owner, asyncio.Lock()):
            before = self._running.get(owner, _NONE)
            after: dict[str, _Running] = {}
            for entry in manifest.entries:
                old = before.get(entry.event)
                if old is not None and old.entry == entry and old.bus == manifest.bus:
                    after[entry.event] = old
                else:
                    after[entry.event] = self._make(manifest, entry, owner)
            gone = [old for event, old in before.items() if after.get(event) is not old]
            self._running[owner] = after
            await self._stop([old for old in gone if old.task is not None])
            await self._ingress.mount(owner, [running.binding for running in after.values() if running.binding])
            for running in after.values():
                if self._runs and running.task is None and (running.binding is None or running.registers):
                    self._start(running, owner)
            self._withdraw([old for old in gone if not _succeeded(old, after.get(old.entry.event))])

    async def remove(self, namespace: str, name: str) -> None:
        """Stop an EventSource; nothing happens if there is none."""
        owner = Owner(namespace, name)
        async with self._locks.setdefault(owner, asyncio.Lock()):
            gone = list(self._running.pop(owner, _NONE).values())
            self._arrivals.pop(owner, None)
            await self._ingress.unmount(owner)
            await self._stop(gone)
            self._withdraw(gone)

    def health(self) -> list[EntryHealth]:
        """How every entry is, by namespace, EventSource and event."""
        found = [one for owner in self._running for one in self.health_of(*owner)]
        return sorted(found, key=lambda health: health.address)

    def health_of(self, namespace: str, name: str) -> list[EntryHealth]:
        """How the entries of one EventSource are, in the order of its manifest; empty for one that does not run."""
        entries = self._running.get(Owner(namespace, name), _NONE)
        return [
            running.status.snapshot(running.entry.key, running.sieve.state if running.sieve else None)
            for running in entries.values()
        ]

    # -- entries

    def _make(self, manifest: EventSource, entry: Entry, owner: Owner) -> _Running:
        address = Address(manifest.namespace, manifest.name, entry.event, manifest.bus)
        asked = getattr(entry.spec, "filter", None)
        sieve = Sieve(asked, address, self._emit, self._observer) if isinstance(asked, EventFilter) else None
        running = _Running(entry, manifest.bus, Status(address), sieve.emit if sieve else self._emit, sieve)
        if issubclass(entry.listener, Endpoint):
            if owner not in self._arrivals:
                self._arrived += 1
                self._arrivals[owner] = self._arrived
            registration = _Registration()
            endpoint = cast("Endpoint[Any]", self._listener(running, registration))
            age = Age(manifest.created, self._arrivals[owner])
            running.binding = registration.binding = Binding(endpoint, endpoint.route, address, running.emit, running.status, age)
        return running

    def _listener(self, running: _Running, health: Health) -> Any:
        entry = running.entry
        context = self._setting(running.status.address, entry.listener.event_type, health, self._secrets)
        return entry.listener(entry.spec, context)

    async def _emit(self, event: Event) -> None:
        await self._log.publish(event)

    # -- sources

    def _start(self, running: _Running, owner: Owner) -> None:
        name = f"source-{owner}/{running.entry.event}"
        running.task = asyncio.create_task(self._supervise(running), name=name)

    async def _supervise(self, running: _Running) -> None:
        loop, task = asyncio.get_running_loop(), cast("asyncio.Task[None]", asyncio.current_task())
        failures = 0
        while not task.cancelling():
            started = loop.time()
            try:
                cursor = await self._ledger.cursor(f"{running.status.address}")
                if running.binding is not None:
                    await running.binding.endpoint.register(cursor)
                else:
                    source = cast("Source[Any]", self._listener(running, running.status))
                    await source.run(running.emit, cursor)
                problem: Exception = SourceError("it ended by itself")
            except asyncio.CancelledError:
                if task.cancelling():
                    raise
                problem = SourceError("it was cancelled from within")
            except Exception as error:  # noqa: BLE001  whatever a source raises is its own trouble, shown in its status
                problem = error
            if task.cancelling():
                return  # it was stopped, and took its time about it
            failures = 1 if loop.time() - started >= self._restarts.settled else failures + 1
            running.report(problem)
            await asyncio.sleep(self._restarts.delay(failures))

    def _withdraw(self, gone: list[_Running]) -> None:
        for running in gone:
            if running.registers and running.binding is not None:
                task = asyncio.create_task(self._withdraw_one(running.binding), name=f"withdraw-{running.status.address}")
                self._withdrawing.add(task)
                task.add_done_callback(self._withdrawing.discard)

    async def _withdraw_one(self, binding: Binding) -> None:
        try:
            async with asyncio.timeout(self._restarts.stop):
                await binding.endpoint.withdraw(await self._ledger.cursor(f"{binding.address}"))
        except (TiphysError, TimeoutError) as error:
            problem = f"{error}" or f"took longer than {self._restarts.stop:g} s"
            _log.warning(
                "what was registered stays there", action="withdrawal-failed", address=str(binding.address), problem=problem
            )

    async def _stop(self, gone: list[_Running]) -> None:
        tasks = {running.task for running in gone if running.task is not None}
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._restarts.stop)
        for task in late:
            _log.error("a source does not end; it is left behind", action="source-stuck", task=task.get_name())


def _succeeded(old: _Running, new: _Running | None) -> bool:
    """Whether another version of an entry takes over what was registered for it."""
    return new is not None and new.registers and new.entry.key == old.entry.key
