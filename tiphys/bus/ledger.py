"""The contract of a ledger: what only a transactional store can keep (DESIGN section 3).

Five steps are atomic, each one transaction, each durable when its coroutine returns:

    settle           verdicts, held events, firings, deferred rows, seen ids and the log's position
    settle_deferred  what was decided about deferred rows, which are gone with it
    begin            the target of a firing, before the first request for it leaves
    resolve          an attempt's outcome and the firings that follow from it
    advance          a source's cursor

One engine owns a ledger. `open_epoch`, called once at its start, raises the epoch and voids every claim of the engine before it;
a `settle`, `settle_deferred`, `begin` or `resolve` with an older epoch raises `StaleEpoch`.

The suites that every driver passes are `tests/bus/{ledger,deciding,acting,lanes,journal,crash}_conformance.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tiphys.bus.decision import (
    Decision,
    Deferred,
    Held,
    Loss,
    Once,
    Refusal,
    Repeat,
    ReplayRequest,
    Trial,
    Verdict,
    VerdictKind,
)
from tiphys.bus.event import Event, Events
from tiphys.bus.firing import Attempt, Claim, Firing, FiringState, Outcome, Target, TriggerKey

__all__ = [
    "NO_LIMITS",
    "Cursor",
    "Decision",
    "Deferred",
    "EventRecord",
    "FiringRecord",
    "Held",
    "Kept",
    "Ledger",
    "Loss",
    "Once",
    "Refusal",
    "Repeat",
    "ReplayRequest",
    "StoreHealth",
    "Suspension",
    "Trial",
    "Verdict",
    "VerdictKind",
]

NO_LIMITS: Mapping[TriggerKey, int] = {}
"""For a claim that is to be limited by nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The last accepted version of a manifest. `revision` is unique in the ledger and grows with each change of `body` (JSON);
    `since` is the log's end when the object was first accepted: a Sensor listens to what lies beyond. `deleted` is Unix seconds,
    0 while it stands."""

    kind: str
    namespace: str
    name: str
    revision: int
    since: int
    body: bytes
    origin: str
    deleted: float = 0.0


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of the journal: its position, when it was stored (Unix seconds), and what was decided. `settled` is false until then;
    `deferred` are the triggers that are still deciding. `repeats` says which firings its verdicts `ONCE` name, `refusals` why there are
    verdicts `REFUSED`, `losses` where it was held and went without a firing. In listings `event.data` is `None`, and these are empty."""

    position: int
    stored: float
    event: Event
    settled: bool
    verdicts: tuple[Verdict, ...] = ()
    size: int = 0
    deferred: tuple[TriggerKey, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether every trigger has decided."""
        return self.settled and not self.deferred


@dataclass(frozen=True, slots=True)
class FiringRecord:
    """A firing of the journal. Times are Unix seconds, 0 for what has not happened."""

    firing: Firing
    state: FiringState
    decided: float
    attempts: int = 0
    not_before: float = 0.0
    ended: float = 0.0
    target: Target | None = None
    last: Outcome | None = None
    history: tuple[Attempt, ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Suspension:
    """That somebody has suspended a trigger, or a whole sensor (`trigger` is empty then): since when (Unix seconds), and what becomes of
    what came up meanwhile (`replay`, `latest`, `drop`)."""

    namespace: str
    sensor: str
    trigger: str
    on_resume: str
    since: float
    actor: str


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What status, metrics and readiness show of a store. `reason` says why it is not writable; `damaged` counts records set aside."""

    writable: bool
    reason: str = ""
    damaged: int = 0
    bytes: int = 0
    events: int = 0
    oldest: float = 0.0


class Cursor(ABC):
    """A source's place in its world, kept in the ledger. One owner at a time: taking it again makes the older handle stale."""

    @property
    @abstractmethod
    def value(self) -> bytes | None:
        """The last durable value, `None` before the first."""

    @abstractmethod
    async def advance(self, value: bytes) -> None:
        """Store a new value; durable on return. Call it only after `emit` returned. Raises `StoreError` if another owner took it,
        `StoreUnavailable` if the store takes no writes."""


class Ledger(ABC):
    """What the engine knows and may not forget."""

    # -- the engine's ownership

    @abstractmethod
    async def open_epoch(self) -> int:
        """Raise the epoch, void all claims, and return it."""

    # -- deciding

    @abstractmethod
    async def seen(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that were settled within the dedupe window."""

    @abstractmethod
    async def settle(self, epoch: int, position: int, decisions: Sequence[Decision]) -> None:
        """Record decisions and move the log's position to `position` (unchanged if it is not beyond the present one). A firing whose
        id exists already is left as it is.

        On return it survives any end of the process. Where log and ledger are one store, a power cut may still take it back, whole, until
        the next durable step (`begin` at the latest): nothing outside follows from it before, and it is decided again alike. Decisions
        about another log's events are durable on return, since their position is acknowledged there. Raises `StaleEpoch`,
        `StoreUnavailable`."""

    @abstractmethod
    async def position(self) -> int:
        """The position up to which all is settled (but for deferred rows)."""

    @abstractmethod
    async def settle_deferred(self, epoch: int, decided: Sequence[tuple[Deferred, Decision]]) -> None:
        """Record what was decided about deferred rows of any triggers, oldest first within one: the verdicts are added to their events'
        rows, the rest is applied as in `settle`. A row that is gone is passed over with its decision. Raises `StaleEpoch`,
        `StoreUnavailable`."""

    @abstractmethod
    async def deferring(self) -> dict[TriggerKey, int]:
        """How many deferred rows each trigger has; read once at start."""

    @abstractmethod
    async def trials(self) -> list[Trial]:
        """The first deferred row of each trigger and the first replay request, each with one start more. Called once by each process,
        before it decides any."""

    @abstractmethod
    async def try_alone(self, number: int, *, replay: bool = False, begun: bool = True) -> None:
        """Record that a deferred row or a replay request is decided now while nothing else is, or (`begun=False`) that this was broken off
        in order. Durable on return. Raises `StoreUnavailable`."""

    @abstractmethod
    async def deferred(self, key: TriggerKey, limit: int = 64) -> list[tuple[Deferred, Event | None]]:
        """The oldest deferred rows of a trigger, up to `limit` and a bound of bytes, at least one; `None` for an event whose record was
        damaged."""

    @abstractmethod
    async def abandon(self, key: TriggerKey) -> int:
        """Drop the deferred rows of a trigger; says how many."""

    @abstractmethod
    async def once(self, key: TriggerKey, keys: Collection[str]) -> Mapping[str, Once]:
        """Which of the keys of a trigger's `once` have fired, as far as that is remembered."""

    @abstractmethod
    async def held(self) -> list[Held]:
        """Every held event, of each trigger in the order in which they came; read once at start."""

    @abstractmethod
    async def events_of(self, firing: Firing) -> Events:
        """The events of a firing, whether it is recorded or not, as a claim has them. Raises `UnknownRecord` if the record of one was
        damaged."""

    @abstractmethod
    async def held_event(self, held: Held) -> Event:
        """The event itself, with its transformed data. Raises `UnknownRecord` if its record was damaged."""

    @abstractmethod
    async def release(self, key: TriggerKey, dependency: str | None = None, *, reason: str = "") -> int:
        """Drop the held events of a trigger, or of one dependency of it; says how many. With a `reason` each is a `Loss`."""

    @abstractmethod
    async def drop(self, held: Sequence[Held], losses: Sequence[Loss] = ()) -> int:
        """Drop held events one by one, and record what was lost so; says how many were there."""

    @abstractmethod
    async def refusals(self, position: int) -> list[Refusal]:
        """The refusals of firings that the event at a position would have made."""

    # -- acting

    @abstractmethod
    async def claim(
        self,
        limit: int,
        *,
        busy: Collection[TriggerKey] = (),
        room: Mapping[TriggerKey, int] = NO_LIMITS,
        in_order: Collection[TriggerKey] = (),
        retried: Collection[TriggerKey] = (),
        wait: float = 0.0,
        lease: float = 60.0,
    ) -> list[Claim]:
        """Up to `limit` firings that are due, oldest decision first within a trigger, fair over triggers, none of a trigger in `busy`, and
        of those in `room` no more than it says. Of a trigger in `in_order` none is given while an earlier one waits for its next attempt;
        of one in `retried` only those that were given before. If there are none, waits up to `wait` seconds for one. A claim runs out
        `lease` seconds from now."""

    @abstractmethod
    async def renew(self, claim: Claim, lease: float = 60.0) -> Claim:
        """Put off a claim's deadline. Raises `StaleClaim`."""

    @abstractmethod
    async def begin(self, epoch: int, claim: Claim, target: Target, *, remember: float = 0.0) -> None:
        """Record what is about to be made. Durable on return. With `remember` its instant stays known to `begun` for so many seconds.
        Raises `StaleEpoch`, `StaleClaim`, `StoreUnavailable`."""

    @abstractmethod
    async def begun(self, key: TriggerKey, within: float) -> list[float]:
        """How many seconds ago attempts of a trigger began, as far as `begin` was to remember them: those of the last `within` seconds,
        oldest first."""

    @abstractmethod
    async def resolve(self, epoch: int, claim: Claim, outcome: Outcome, follow_ups: Sequence[Firing] = ()) -> None:
        """Record an attempt's outcome and the firings that follow, and give the claim back. Raises as `begin` does."""

    @abstractmethod
    async def shelve(self, claim: Claim) -> None:
        """Give a claim back untouched: its firing is not given again before `unshelve` asks for its lane, or another engine opens. That may
        have been asked for since the claim was given: then it is given again."""

    @abstractmethod
    async def unshelve(self, key: TriggerKey, lane: str | None = None, count: int = 1) -> int:
        """Let the oldest firings of a lane be given again, so many; says how many there were. Without a lane all of the trigger (0)."""

    @abstractmethod
    async def hasten(self, key: TriggerKey) -> int:
        """Make a trigger's firings that wait for a later attempt, and have no target of unknown outcome, due now (its manifest was
        corrected); says how many."""

    @abstractmethod
    async def cancel(self, key: TriggerKey, reason: str) -> int:
        """End every firing of a trigger that has not begun as `cancelled`; says how many."""

    @abstractmethod
    async def suspend(self, namespace: str, sensor: str, trigger: str, *, on_resume: str, actor: str) -> Suspension:
        """Record that a trigger, or a whole sensor (`trigger` empty), is suspended; durable on return. One that is keeps its instant."""

    @abstractmethod
    async def resume(self, namespace: str, sensor: str, trigger: str) -> bool:
        """Record that it is so no more; says whether it was."""

    @abstractmethod
    async def suspensions(self) -> list[Suspension]:
        """All that stand."""

    # -- sources and manifests

    @abstractmethod
    async def cursor(self, key: str) -> Cursor:
        """Take the cursor of that key (`namespace/eventsource/event`)."""

    @abstractmethod
    async def keep(self, kind: str, namespace: str, name: str, body: bytes, origin: str) -> Kept:
        """Keep an accepted manifest. An equal body keeps its revision; one that was forgotten comes back with a new `since` unless it
        is within the grace."""

    @abstractmethod
    async def forget(self, kind: str, namespace: str, name: str) -> None:
        """Mark a manifest as deleted; its revisions stay while verdicts name them."""

    @abstractmethod
    async def kept(self, kind: str | None = None, *, deleted: bool = False) -> list[Kept]:
        """The manifests that stand (with `deleted` also those that are gone), by kind, namespace and name."""

    @abstractmethod
    async def revision(self, number: int) -> Kept:
        """A manifest as it was at that revision. Raises `UnknownRecord`."""

    # -- the journal's questions

    @abstractmethod
    async def event(self, event_id: str) -> EventRecord:
        """One event with its data and verdicts; a prefix of the id that is unique will do. Raises `UnknownRecord`."""

    @abstractmethod
    async def events(
        self,
        *,
        namespace: str | None = None,
        source: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[EventRecord]:
        """Newest first, without data, at positions below `before`."""

    @abstractmethod
    async def firing(self, firing_id: str) -> FiringRecord:
        """One firing with its history. Raises `UnknownRecord`."""

    @abstractmethod
    async def firings(
        self,
        *,
        namespace: str | None = None,
        sensor: str | None = None,
        trigger: str | None = None,
        event_id: str | None = None,
        states: Collection[FiringState] = (),
        limit: int = 50,
    ) -> list[FiringRecord]:
        """Newest decision first, without history."""

    @abstractmethod
    async def health(self) -> StoreHealth:
        """Whether it takes writes, and its counts."""

    # -- once more

    @abstractmethod
    async def replay_event(self, event_id: str, triggers: Sequence[TriggerKey], actor: str) -> int:
        """Ask for an event to be decided again; returns the request's number once it is durable. Raises `UnknownRecord`."""

    @abstractmethod
    async def reconsider(self, key: TriggerKey, since: float, actor: str) -> int:
        """Ask for the events of a trigger's refusals that may heal to be decided by it again, those since an instant (Unix seconds); each
        refusal once. Says how many events."""

    @abstractmethod
    async def replays(self, *, wait: float = 0.0) -> list[ReplayRequest]:
        """Requests that are not settled yet, oldest first; waits up to `wait` seconds for one."""

    @abstractmethod
    async def replay_firing(self, firing_id: str, actor: str) -> Firing:
        """A new firing with the same events and the next replay number, pending. Raises `UnknownRecord`."""

    # -- upkeep

    @abstractmethod
    async def retain(self) -> int:
        """Remove what is older than the retention, in small steps, never unfinished work; says how many events went."""
