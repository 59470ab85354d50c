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
import contextlib
import functools
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from dispatcher.attempt import Attempt
from dispatcher.gates import Gate, Gates, instant
from dispatcher.lanes import Admission, ConcurrencyGate, Lanes
from dispatcher.limits import Pace
from dispatcher.live import Live
from dispatcher.naming import lane_label
from dispatcher.observer import Observer
from dispatcher.program import TriggerProgram
from dispatcher.suspending import Suspended, Suspensions
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Ledger, Suspension
from tiphys.errors import Refused, StaleClaim, StoreUnavailable, Unreachable

__all__ = ["Dispatcher", "DispatcherSettings", "DispatcherStats", "ServerStats"]

_log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")
_ASK_AGAIN: Final = 30.0
_BEYOND: Final = 16
_NO_OBSERVER: Final = Observer()


@dataclass(frozen=True, slots=True)
class DispatcherSettings:
    """Limits: firings under way per trigger, and in all beside the first of each trigger; seconds for one attempt, and for which a claim
    holds between renewals."""

    per_trigger: int = 16
    in_all: int = 256
    attempt_seconds: float = 120.0
    lease: float = 60.0


_DEFAULTS: Final = DispatcherSettings()


@dataclass(frozen=True, slots=True)
class ServerStats:
    """A server's pace: under way, the most that may be, and for how many seconds it is left alone."""

    under_way: int
    window: int
    shut_for: float


@dataclass(frozen=True, slots=True)
class DispatcherStats:
    """What is going on: firings under way, claimed and waiting for a place, and the triggers that no manifest has."""

    under_way: int
    waiting: int
    unknown: tuple[TriggerKey, ...]
    servers: dict[str, ServerStats]


@dataclass(slots=True, eq=False)
class _Held:
    """A claim in our hands. `until` is loop time; `end`: how it is to end without being carried out."""

    claim: Claim
    until: float
    task: asyncio.Task[None] | None = None
    end: Outcome | None = None


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
        self._by_server: dict[str, set[TriggerKey]] = defaultdict(set)
        self._paces: dict[str, Pace] = {}
        self._running: set[_Held] = set()
        self._per_key: Counter[TriggerKey] = Counter()
        self._per_server: Counter[str] = Counter()
        self._waiting: dict[TriggerKey, deque[_Held]] = {}
        self._parked: dict[TriggerKey, list[_Held]] = {}
        self._failing: dict[TriggerKey, str] = {}
        self._corrected: set[TriggerKey] = set()
        self._recalled: set[TriggerKey] = set()
        self._changed = asyncio.Event()
        self._gates = Gates(self._changed.set, clock)
        self._live = live or Live(None)
        self._live.changed = self._live_changed
        self._lanes = Lanes(ledger, self._live, self._changed.set)
        self._counted: dict[str, TriggerKey] = {}
        self._shelving: list[_Held] = []
        self._suspensions = Suspensions()
        self._suspended: dict[TriggerKey, Suspended] = {}
        self._holding = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._drain: float | None = None
        self._store_well = True

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
        if program.server:
            self._by_server[program.server].add(key)
            self._paces.setdefault(program.server, Pace(self._settings.in_all))
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
        if program is not None and program.server:
            self._by_server[program.server].discard(key)
        if key in self._waiting:
            self._parked[key] = list(self._waiting.pop(key))
        self._failing.pop(key, None)

    def stats(self) -> DispatcherStats:
        """A snapshot for status and metrics."""
        now = self._now()
        servers = {
            name: ServerStats(self._per_server[name], pace.window, max(0.0, pace.shut_until - now))
            for name, pace in self._paces.items()
        }
        return DispatcherStats(len(self._running), sum(map(len, self._waiting.values())), tuple(sorted(self._parked)), servers)

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
        pace, now = self._paces.get(program.server), self._now()
        if pace is not None and pace.shut_until > now:
            return f"{program.server}, which is left alone until {instant(self._clock() + pace.shut_until - now)}"
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
                renewing = tasks.create_task(self._renew(), name="dispatcher-renew")
                counting = tasks.create_task(self._live.run(), name="dispatcher-live")
                while self._drain is None:
                    await self._hasten()
                    await self._durably(lambda: self._gates.load(self._ledger))
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
            await self._durably(functools.partial(self._ledger.hasten, key))
        while self._recalled:
            await self._ledger.unshelve(self._recalled.pop())
        await self._lanes.recall(self._programs.get)

    async def _claim(self) -> list[_Held]:
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
            await self._store_is_ill(error)
            return []
        self._store_is_well()
        until = self._now() + settings.lease
        return [_Held(claim, until) for claim in claims]

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
        for server, pace in self._paces.items():
            if not pace.open(self._per_server[server], self._now()):
                busy |= self._by_server[server]
        return frozenset(busy)

    def _take(self, held: _Held) -> None:
        key = held.claim.firing.key
        if key in self._programs:
            self._waiting.setdefault(key, deque()).append(held)
            self._holding.set()
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
            if self._full(key) or not self._gates.open(key) or not self._server_open(program.server):
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
            self._per_server[program.server] += 1
            self._gates.started(held.claim)
            held.task = tasks.create_task(self._carry_out(held, program), name=f"firing-{held.claim.firing.id}")

    async def _shelve(self) -> None:
        """Give back the claims whose turn it is not."""
        while self._shelving:
            await self._ledger.shelve(self._shelving.pop(0).claim)

    def _at_a_limit(self, key: TriggerKey, server: str) -> bool:
        settings = self._settings
        full = self._per_key[key] >= settings.per_trigger or self._beside_others() >= settings.in_all
        return full or not self._server_open(server)

    def _beside_others(self) -> int:
        """How many are under way beside another of their trigger: the first of each is counted for itself, so that slow targets, however
        many triggers have them, leave a place to one that has nothing under way."""
        return len(self._running) - len(self._per_key)

    def _full(self, key: TriggerKey) -> bool:
        """Whether a trigger has as many under way as it may now."""
        count = self._per_key[key]
        return count >= self._settings.per_trigger or (count > 0 and self._beside_others() >= self._settings.in_all)

    def _server_open(self, server: str) -> bool:
        pace = self._paces.get(server)
        return pace is None or pace.open(self._per_server[server], self._now())

    # -- carrying out

    async def _carry_out(self, held: _Held, program: TriggerProgram) -> None:
        key, started = held.claim.firing.key, self._now()
        begin, recorded = functools.partial(self._begin, held), functools.partial(self._recorded, held.claim.firing.id)
        admit = functools.partial(self._admit, held, program) if program.concurrency is not None or held.end is not None else None
        attempt = Attempt(held.claim, program, begin, recorded, self._settings.attempt_seconds, self._clock, admit)
        resolved: Outcome | None = None
        try:
            outcome = await attempt.run()
            self._note_pace(attempt, outcome)
            follow_ups = _follow_ups(held.claim.firing, attempt, outcome)
            await self._durably(lambda: self._ledger.resolve(self._epoch, held.claim, outcome, follow_ups))
        except StaleClaim:
            _log.info("a claim was lost; the firing is somebody else's", action="claim-lost", firing=held.claim.firing.id)
        else:
            resolved = outcome
            self._note_health(key, attempt, outcome)
            self._observer.attempted(attempt.program, held.claim, outcome, self._now() - started)
        finally:
            # Ask for claims anew only if this makes room that was missing: an idle trigger's end changes nothing for the one that waits.
            if self._waiting or self._at_a_limit(key, program.server):
                self._changed.set()
            self._running.discard(held)
            self._per_key[key] -= 1
            if not self._per_key[key]:
                del self._per_key[key]
            self._per_server[program.server] -= 1
            self._lanes.ended(program, held.claim, resolved)
            self._gates.ended(held.claim, began=attempt.begun)

    async def _admit(self, held: _Held, program: TriggerProgram) -> Outcome | None:
        """As `Attempt` asks."""
        if held.end is not None:
            return held.end
        return await self._lanes.make_room(program, held.claim, self._settings.attempt_seconds / 2)

    async def _begin(self, held: _Held, target: Target) -> None:
        remember = 0.0 if held.claim.firing.dlq else self._gates.remembered(held.claim.firing.key)
        await self._durably(lambda: self._ledger.begin(self._epoch, held.claim, target, remember=remember))

    async def _recorded(self, firing: str) -> int:
        return len((await self._ledger.firing(firing)).history)

    async def _durably(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """A write of ours, again and again while the store takes none."""
        while True:
            try:
                result = await write()
            except StoreUnavailable as error:
                await self._store_is_ill(error)
            else:
                self._store_is_well()
                return result

    async def _store_is_ill(self, error: StoreUnavailable) -> None:
        if self._store_well:
            self._store_well = False
            _log.warning("the store takes no writes; firings wait", action="dispatcher-store-ill", reason=error.reason)
        await asyncio.sleep(error.retry_after)

    def _store_is_well(self) -> None:
        if not self._store_well:
            self._store_well = True
            _log.info("the store takes writes again", action="dispatcher-store-well")

    def _note_pace(self, attempt: Attempt, outcome: Outcome) -> None:
        pace = self._paces.get(attempt.program.server)
        if pace is None:
            return
        error, now = attempt.error, self._now()
        if isinstance(error, Refused) and error.status == 429:
            pace.throttled(now, error.retry_after)
        elif isinstance(error, Unreachable):
            pace.unreachable(now)
        elif isinstance(error, Refused) or outcome.kind is OutcomeKind.SUCCEEDED:
            pace.answered()
        if pace.shut_until > now:
            asyncio.get_running_loop().call_at(pace.shut_until, self._changed.set)

    def _note_health(self, key: TriggerKey, attempt: Attempt, outcome: Outcome) -> None:
        """One line when a trigger starts to fail in a new way, one when it works again."""
        if outcome.kind is OutcomeKind.SUCCEEDED:
            if self._failing.pop(key, ""):
                _log.info("a trigger works again", action="trigger-recovered", **key._asdict())
            return
        if outcome.kind is OutcomeKind.CANCELLED:
            return
        mark = f"{outcome.kind} {outcome.reason}"
        if self._failing.get(key) != mark:
            self._failing[key] = mark
            dead = outcome.kind is OutcomeKind.DEAD
            _log.warning(
                "a firing is a dead letter" if dead else "a firing failed and is tried again",
                action="trigger-dead-letter" if dead else "trigger-failing",
                **key._asdict(),
                firing=attempt.claim.firing.id,
                attempt=attempt.claim.attempt,
                reason=outcome.reason,
                error=outcome.message,
            )

    # -- holding claims

    async def _renew(self) -> None:
        """Renew what is held, in the middle of each lease; sleeps while nothing is."""
        lease = self._settings.lease
        while True:
            await self._holding.wait()
            await asyncio.sleep(lease / 4)
            held = [*self._running, *(one for line in self._waiting.values() for one in line)]
            if not held:
                self._holding.clear()
                continue
            late = [one for one in held if one.until - self._now() < lease / 2]
            if late:
                await asyncio.gather(*(self._renew_one(one) for one in late))

    async def _renew_one(self, held: _Held) -> None:
        with contextlib.suppress(StoreUnavailable):  # said once by whoever writes; the claim is renewed at the next turn
            try:
                held.claim = await self._ledger.renew(held.claim, self._settings.lease)
                held.until = self._now() + self._settings.lease
            except StaleClaim:
                if held.task is not None:
                    held.task.cancel()
                    return
                line = self._waiting.get(held.claim.firing.key)
                if line is not None and held in line:
                    line.remove(held)
                    if not line:
                        del self._waiting[held.claim.firing.key]
                    self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _follow_ups(firing: Firing, attempt: Attempt, outcome: Outcome) -> tuple[Firing, ...]:
    """The firing of the next object of its source, once this one is there; or that of the `dlqTrigger`, if this one is dead and its program
    has one (that of a `dlqTrigger` has none)."""
    ids = {name: seen.id for name, seen in firing.events.items()}
    if outcome.kind is OutcomeKind.SUCCEEDED and firing.document + 1 < attempt.documents:
        document = firing.document + 1
        number = firing_id(*firing.key, ids, replay=firing.replay, dlq=firing.dlq, document=document)
        return (replace(firing, id=number, document=document),)
    if outcome.kind is OutcomeKind.DEAD and attempt.program.dlq is not None:
        number = firing_id(*firing.key, ids, replay=firing.replay, dlq=True)
        return (replace(firing, id=number, dlq=True, document=0, parent=firing.id),)
    return ()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
