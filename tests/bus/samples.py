"""Events, firings and decisions for the suites of the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from tiphys.bus import (
    Decision,
    Deferred,
    DependencyEvent,
    Event,
    EventLog,
    Firing,
    Held,
    Ledger,
    Outcome,
    OutcomeKind,
    Stored,
    Target,
    TriggerKey,
    Verdict,
    VerdictKind,
    event_id,
    firing_id,
)

KEY = TriggerKey("argo", "ci", "build")
DONE = Outcome(OutcomeKind.SUCCEEDED)


class Clock:
    """Unix seconds that move when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Opened:
    """A log and a ledger that are open. `acknowledge` tells the log that everything up to a position was settled."""

    log: EventLog
    ledger: Ledger
    acknowledge: Callable[[int], Awaitable[None]]


class Place(Protocol):
    """Where a driver keeps its data: opened again, it has what was there."""

    def open(self, clock: Callable[[], float] | None = None) -> AbstractAsyncContextManager[Opened]:
        """Open it."""

    @property
    def spec(self) -> Sequence[str]:
        """What a child process is told to open the same place: `module:function` and its arguments."""


def event(
    key: object, data: bytes | None = b'{"n":1}', *, namespace: str = "argo", source: str = "hooks", subject: str = "push"
) -> Event:
    text = str(key)
    return Event(
        id=event_id(namespace, source, subject, text),
        source=source,
        type="webhook",
        subject=subject,
        namespace=namespace,
        data=data,
        time="2026-11-25T08:00:00.000000Z",
        extensions={"worldid": text},
    )


def firing(events: Mapping[str, tuple[str, int]], key: TriggerKey = KEY, *, dlq: bool = False, parent: str = "") -> Firing:
    """A firing of a trigger on (event id, position) by dependency."""
    return Firing(
        id=firing_id(*key, {name: one for name, (one, _) in events.items()}, dlq=dlq),
        key=key,
        events={name: DependencyEvent(one, position) for name, (one, position) in events.items()},
        completed_by=next(iter(events), ""),
        dlq=dlq,
        parent=parent,
    )


def fired(stored: Stored, *keys: TriggerKey) -> Decision:
    """The decision that an event fires these triggers."""
    return Decision(
        stored.event.id,
        stored.position,
        verdicts=(Verdict(1, 0, 0, VerdictKind.FIRED),),
        firings=tuple(firing({"push": (stored.event.id, stored.position)}, key) for key in keys or (KEY,)),
    )


def holding(stored: Stored, dependency: str, key: TriggerKey = KEY, transformed: bytes | None = None) -> Decision:
    """The decision that an event is held for a dependency."""
    held = Held(key, dependency, "digest", stored.event.id, stored.position, transformed, at=1_800_000_000.5)
    return Decision(stored.event.id, stored.position, verdicts=(Verdict(1, 0, 0, VerdictKind.HELD),), held=(held,))


def later(stored: Stored, *keys: TriggerKey, replay: int = 0) -> Decision:
    """The decision that triggers decide an event later."""
    rows = tuple(Deferred(key, stored.event.id, stored.position, 1_800_000_000.5, replay) for key in keys or (KEY,))
    return Decision(stored.event.id, stored.position, deferred=rows, replay=replay)


def in_place_of(before: Stored, decision: Decision) -> Decision:
    """The decision that an event takes the place of another one of its dependency."""
    (held,) = decision.held
    return replace(decision, dropped=(held._replace(event_id=before.event.id, position=before.position),))


def target(name: str = "ci-1") -> Target:
    return Target("argoproj.io/v1alpha1", "Workflow", "argo", name, "00ff")


async def take(batches: AsyncIterator[Sequence[Stored]], count: int) -> list[Stored]:
    """The next events of a reader, of as many batches as it takes."""
    found: list[Stored] = []
    while len(found) < count:
        found += await anext(batches)
    return found


async def fire(opened: Opened, epoch: int, *events: Event, keys: Sequence[TriggerKey] = (KEY,)) -> list[Stored]:
    """Publish events and settle each as firing the triggers."""
    stored = [Stored(await opened.log.publish(one), one) for one in events]
    await opened.ledger.settle(epoch, stored[-1].position, [fired(one, *keys) for one in stored])
    return stored
