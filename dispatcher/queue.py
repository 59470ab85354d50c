"""The dispatcher: takes due firings from the ledger, carries them out, records what came of it.

One loop claims; each claimed firing is a task of its own, at most 16 of a trigger and 256 in all, beside the first of each trigger. Why it
is built so:

* A trigger that has as many under way as it may is named as busy when claiming, so that its backlog stays in the ledger and holds back
  nobody else's. The claim waits in the ledger; it is only asked anew when a trigger stops being busy. Nothing is polled.
* Triggers that share a server share its pace (`dispatcher.limits`): a server that throttles or is away costs no attempts.
* A trigger with limits of its own (`dispatcher.gates`) is named as busy in the same way while they are shut.
* A firing whose trigger no manifest has waits: its claim runs out by itself, and the trigger counts as busy until it is known again.
* Claims are renewed while they are held. A claim that was lost ends its attempt: somebody else has the firing.
* A store that takes no writes is waited for, holding what was done, so that no outcome is lost.
* Another engine's epoch ends `run` with `StaleEpoch`.

`stop` claims no more, lets what is under way finish for a while, and cuts off the rest; correctness never depends on it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from dispatcher.attempt import Attempt
from dispatcher.failing import Failing
from dispatcher.following import follow_ups
from dispatcher.gates import Gate, Gates, instant
from dispatcher.lanes import Admission, ConcurrencyGate, Lanes
from dispatcher.leases import HeldClaim, Leases
from dispatcher.live import Live
from dispatcher.naming import lane_label
from dispatcher.observer import Observer
from dispatcher.program import TriggerProgram
from dispatcher.servers import Servers, ServerStats
from dispatcher.settings import DispatcherSettings, DispatcherStats
from dispatcher.storing import Storing
from dispatcher.suspending import Suspended, Suspensions
from tiphys.bus.firing import Firing, Outcome, Target, TriggerKey
from tiphys.bus.ledger import Ledger, Suspension
from tiphys.errors import StaleClaim, StoreUnavailable

__all__ = ["Dispatcher", "DispatcherSettings", "DispatcherStats", "ServerStats"]

_log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")
_ASK_AGAIN: Final = 30.0
_BEYOND: Final = 16
_NO_OBSERVER: Final = Observer()


_DEFAULTS: Final = DispatcherSettings()


class Dispatcher:
    """Carries out firings of one ledger for one engine, whose `epoch` `Ledger.open_epoch` gave. `clock` gives Unix seconds, `live`
    counts the Workflows that run."""

    def __init__(
        self,
        ledger: Ledger,
        epoch: int,
        settings: DispatcherSettings = _DEFAULTS,
        observer: Observer = _NO_OBSERVER,
        clock: Callable[[], float] = time.time,
        live: Live | None = None,
    ) -> None:
        self._ledger = ledger
        self._epoch = epoch
        self._settings = settings
        self._observer, self._clock = observer, clock
        self._programs: dict[TriggerKey, TriggerProgram] = {}
        self._running: set[HeldClaim] = set()
        self._per_key: Counter[TriggerKey] = Counter()
        self._waiting: dict[TriggerKey, deque[HeldClaim]] = {}
        self._parked: dict[TriggerKey, list[HeldClaim]] = {}
        self._failing = Failing()
        self._storing = Storing()
        self._corrected: set[TriggerKey] = set()
        self._recalled: set[TriggerKey] = set()
        self._changed = asyncio.Event()
        self._servers = Servers(settings.in_all, self._changed.set)
        self._gates = Gates(self._changed.set, clock)
        self._live = live or Live(None)
        self._live.changed = self._live_changed
        self._lanes = Lanes(ledger, self._live, self._changed.set)
        self._counted: dict[str, TriggerKey] = {}
        self._shelving: list[HeldClaim] = []
        self._suspensions = Suspensions()
        self._suspended: dict[TriggerKey, Suspended] = {}
        self._leases = Leases(ledger, settings.lease, self._every_held, self._lost)
        self._ended = asyncio.Event()
        self._ended.set()
        self._drain: float | None = None

    # -- what the roof calls

    def set_trigger(self, key: TriggerKey, program: TriggerProgram) -> None:
        """A trigger is there or was changed: firings not yet begun are carried out with `program`, those that waited for it as well. If
        it was failing, those that wait for a later attempt are tried at once."""
        if key in self._failing:
            self._corrected.add(key)
        if (old := self._programs.get(key)) is not None and (old.order, old.concurrency) != (program.order, program.concurrency):
            self._lanes.forget(key)
            self._recalled.add(key)
        self._take_out(key)
        self._programs[key] = program
        self._suspensions.by_manifest(key, program.suspended)
        self._note_suspended(key)
        self._gates.put(key, self._gates_of(program))
        self._servers.add(program.server, key)
        now = self._now()
        back = [held for held in self._parked.pop(key, ()) if held.until > now]
        if back:
            self._waiting[key] = deque(back)
        self._changed.set()

    def _gates_of(self, program: TriggerProgram) -> list[Gate]:
        if (suspended := self._suspended.get(program.key)) is not None and suspended.on_resume != "replay":
            return []  # what is not carried out waits for nothing
        gates = program.gates()
        if program.concurrency is not None:
            self._live.want()
            self._counted[lane_label(program.key, "")] = program.key
            gates.append(ConcurrencyGate(program.key, program.concurrency, self._lanes))
        return gates

    def suspend(self, suspension: Suspension) -> None:
        """Somebody has suspended a trigger or a Sensor: what is under way is finished."""
        self._suspensions.by_command(suspension)
        self._suspended_anew(TriggerKey(suspension.namespace, suspension.sensor, suspension.trigger))

    def resume(self, key: TriggerKey) -> None:
        """Somebody has resumed it; an empty trigger: the Sensor."""
        self._suspensions.resumed(key)
        self._suspended_anew(key)

    def suspended(self, key: TriggerKey) -> Suspended | None:
        """How a trigger is suspended, if it is."""
        return self._suspended.get(key)

    def _suspended_anew(self, scope: TriggerKey) -> None:
        for key, program in self._programs.items():
            if scope in (key, key._replace(trigger="")):  # a rare question
                self._lanes.forget(key)
                self._recalled.add(key)
                self._note_suspended(key)
                self._gates.put(key, self._gates_of(program))
        self._changed.set()

    def _note_suspended(self, key: TriggerKey) -> None:
        if (suspended := self._suspensions.of(key)) is not None:
            self._suspended[key] = suspended
        else:
            self._suspended.pop(key, None)

    def _live_changed(self, label: str) -> None:
        """Workflows have begun or ended; an empty label: of whatever trigger."""
        for key in self._counted.values() if not label else [self._counted[label]] if label in self._counted else ():
            self._gates.look(key)
        self._lanes.moved(label)
        self._lanes.pulse()

    def remove_trigger(self, key: TriggerKey) -> None:
        """A trigger is gone: what is under way ends as it may, all else waits in the ledger (where the roof may cancel it)."""
        self._take_out(key)
        self._gates.remove(key)
        self._suspensions.by_manifest(key, None)
        self._suspended.pop(key, None)

    def _take_out(self, key: TriggerKey) -> None:
        program = self._programs.pop(key, None)
        if program is not None:
            self._servers.discard(program.server, key)
        if key in self._waiting:
            self._parked[key] = list(self._waiting.pop(key))
        self._failing.forget(key)

    def stats(self) -> DispatcherStats:
        """A snapshot for status and metrics."""
        return DispatcherStats(
            len(self._running), sum(map(len, self._waiting.values())), tuple(sorted(self._parked)), self._servers.stats()
        )

    def waits(self, firing: Firing) -> str:
        """What a firing that is due waits for, for people; empty if it is being carried out, or waits for nothing but its turn."""
        key = firing.key
        if any(held.claim.firing.id == firing.id for held in self._running):
            return self._lanes.replacing(firing)
        if (suspended := self._suspended.get(key)) is not None:
            return f"its trigger to be resumed: it is {suspended.why} (onResume: {suspended.on_resume})"
        if why := self._gates.why(key):
            return why
        program = self._programs.get(key)
        if program is None:
            return "a manifest: none has its trigger"
        if pause := self._servers.left_alone(program.server):
            return f"{program.server}, which is left alone until {instant(self._clock() + pause)}"
        if self._per_key[key] >= self._settings.per_trigger:
            return f"one of the {self._per_key[key]} firings of its trigger that are under way"
        return self._lanes.waits(program, firing)

    async def stop(self, drain_seconds: float = 10.0) -> None:
        """Claim no more, let what is under way finish for so long, cut off the rest; returns when `run` has ended."""
        self._drain = drain_seconds
        self._changed.set()
        await self._ended.wait()

    async def run(self) -> None:
        """Work until stopped or cancelled. Raises `StaleEpoch` when another engine has taken over, and what the store cannot get over."""
        self._ended.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._leases.run(), name="dispatcher-renew")
                counting = tasks.create_task(self._live.run(), name="dispatcher-live")
                while self._drain is None:
                    await self._hasten()
                    await self._storing.durably(lambda: self._gates.load(self._ledger))
                    for held in await self._claim():
                        self._take(held)
                    self._start(tasks)
                    await self._shelve()
                self._waiting.clear()
                await self._finish(self._drain)
                renewing.cancel()
                counting.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._gates.close()
            self._ended.set()

    async def _finish(self, seconds: float) -> None:
        tasks = [held.task for held in self._running if held.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()

    # -- claiming

    async def _hasten(self) -> None:
        """What waits for a manifest to be corrected is tried at once when it was changed, and so is what was shelved for a limit of it."""
        while self._corrected:
            key = self._corrected.pop()
            await self._storing.durably(functools.partial(self._ledger.hasten, key))
        while self._recalled:
            await self._ledger.unshelve(self._recalled.pop())
        await self._lanes.recall(self._programs.get)

    async def _claim(self) -> list[HeldClaim]:
        """New claims; empty when something changed meanwhile."""
        self._changed.clear()
        settings = self._settings
        if len(self._running) >= settings.in_all * _BEYOND:
            await self._changed.wait()
            return []
        free, gates = settings.in_all - self._beside_others(), self._gates
        limit, busy = min(free, settings.per_trigger), self._busy()
        if free <= 0:  # where dead targets hold all places, a trigger that has nothing under way gets one all the same
            limit, busy = settings.per_trigger, busy | self._per_key.keys()
        asking = asyncio.create_task(
            self._ledger.claim(
                limit,
                busy=busy,
                room=gates.room,
                in_order=gates.in_order,
                retried=gates.retried,
                wait=_ASK_AGAIN,
                lease=settings.lease,
            ),
            name="dispatcher-claim",
        )
        changing = asyncio.create_task(self._changed.wait(), name="dispatcher-changed")
        try:
            await asyncio.wait({asking, changing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changing.cancel()
            asking.cancel()  # does nothing to one that is done; a claim that is cancelled has claimed nothing
        try:
            claims = await asking
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is not None and current.cancelling():
                raise
            return []
        except StoreUnavailable as error:
            await self._storing.ill(error)
            return []
        self._storing.well()
        until = self._now() + settings.lease
        return [HeldClaim(claim, until) for claim in claims]

    def _busy(self) -> frozenset[TriggerKey]:
        """The triggers that nothing more shall be claimed of."""
        most = self._settings.per_trigger
        full = {key for key, count in self._per_key.items() if count >= most}
        busy = full | self._parked.keys() | self._waiting.keys() | self._gates.shut
        for key, suspended in self._suspended.items():
            if suspended.on_resume == "replay":
                busy.add(key)
            elif key not in full and key not in self._parked:
                busy.discard(key)
        return frozenset(busy.union(self._servers.shut()))

    def _take(self, held: HeldClaim) -> None:
        key = held.claim.firing.key
        if key in self._programs:
            self._waiting.setdefault(key, deque()).append(held)
            self._leases.begin()
            return
        if key not in self._parked:
            _log.warning(
                "a firing waits: no manifest has its trigger",
                action="trigger-unknown",
                **key._asdict(),
                firing=held.claim.firing.id,
            )
        self._parked.setdefault(key, []).append(held)
        self._observer.unknown_trigger(held.claim)

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Start what has a place, the triggers taking turns."""
        ready = deque(self._waiting)
        while ready and len(self._running) < self._settings.in_all * _BEYOND:
            key = ready.popleft()
            program, line = self._programs[key], self._waiting[key]
            if self._full(key) or not self._gates.open(key) or not self._servers.open(program.server):
                continue
            suspended = self._suspended.get(key)
            if suspended is not None and not suspended.ripe([held.claim for held in line]):
                continue
            held = line.popleft()
            if line:
                ready.append(key)
            else:
                del self._waiting[key]
            if suspended is not None and held.claim.target is None:
                held.end = suspended.end(line[-1].claim.firing if line else None)
            else:
                admission = self._lanes.admit(program, held.claim)
                if admission is Admission.SHELVE:
                    self._shelving.append(held)
                    continue
                if admission is Admission.SKIP:
                    held.end = self._lanes.skipped(program, held.claim)
                else:
                    self._lanes.started(program, held.claim)
            self._running.add(held)
            self._per_key[key] += 1
            self._servers.began(program.server)
            self._gates.started(held.claim)
            held.task = tasks.create_task(self._carry_out(held, program), name=f"firing-{held.claim.firing.id}")

    async def _shelve(self) -> None:
        """Give back the claims whose turn it is not."""
        while self._shelving:
            await self._ledger.shelve(self._shelving.pop(0).claim)

    def _at_a_limit(self, key: TriggerKey, server: str) -> bool:
        settings = self._settings
        full = self._per_key[key] >= settings.per_trigger or self._beside_others() >= settings.in_all
        return full or not self._servers.open(server)

    def _beside_others(self) -> int:
        """How many are under way beside another of their trigger: the first of each is counted for itself, so that slow targets, however
        many triggers have them, leave a place to one that has nothing under way."""
        return len(self._running) - len(self._per_key)

    def _full(self, key: TriggerKey) -> bool:
        """Whether a trigger has as many under way as it may now."""
        count = self._per_key[key]
        return count >= self._settings.per_trigger or (count > 0 and self._beside_others() >= self._settings.in_all)

    # -- carrying out

    async def _carry_out(self, held: HeldClaim, program: TriggerProgram) -> None:
        key, started = held.claim.firing.key, self._now()
        begin, recorded = functools.partial(self._begin, held), functools.partial(self._recorded, held.claim.firing.id)
        admit = functools.partial(self._admit, held, program) if program.concurrency is not None or held.end is not None else None
        attempt = Attempt(held.claim, program, begin, recorded, self._settings.attempt_seconds, self._clock, admit)
        resolved: Outcome | None = None
        try:
            outcome = await attempt.run()
            self._servers.note(attempt.program.server, attempt.error, outcome)
            following = follow_ups(held.claim.firing, outcome, documents=attempt.documents, has_dlq=attempt.program.dlq is not None)
            await self._storing.durably(lambda: self._ledger.resolve(self._epoch, held.claim, outcome, following))
        except StaleClaim:
            _log.info("a claim was lost; the firing is somebody else's", action="claim-lost", firing=held.claim.firing.id)
        else:
            resolved = outcome
            self._failing.note(attempt.claim, outcome)
            self._observer.attempted(attempt.program, held.claim, outcome, self._now() - started)
        finally:
            # Ask for claims anew only if this makes room that was missing: an idle trigger's end changes nothing for the one that waits.
            if self._waiting or self._at_a_limit(key, program.server):
                self._changed.set()
            self._running.discard(held)
            self._per_key[key] -= 1
            if not self._per_key[key]:
                del self._per_key[key]
            self._servers.ended(program.server)
            self._lanes.ended(program, held.claim, resolved)
            self._gates.ended(held.claim, began=attempt.begun)

    async def _admit(self, held: HeldClaim, program: TriggerProgram) -> Outcome | None:
        """As `Attempt` asks."""
        if held.end is not None:
            return held.end
        return await self._lanes.make_room(program, held.claim, self._settings.attempt_seconds / 2)

    async def _begin(self, held: HeldClaim, target: Target) -> None:
        remember = 0.0 if held.claim.firing.dlq else self._gates.remembered(held.claim.firing.key)
        await self._storing.durably(lambda: self._ledger.begin(self._epoch, held.claim, target, remember=remember))

    async def _recorded(self, firing: str) -> int:
        return len((await self._ledger.firing(firing)).history)

    # -- holding claims

    def _every_held(self) -> list[HeldClaim]:
        return [*self._running, *(one for line in self._waiting.values() for one in line)]

    def _lost(self, held: HeldClaim) -> None:
        """One that waits here is somebody else's."""
        line = self._waiting.get(held.claim.firing.key)
        if line is not None and held in line:
            line.remove(held)
            if not line:
                del self._waiting[held.claim.firing.key]
            self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
