"""What is decided about events, as the ledger takes it: verdicts, what is held, deferred, fired, refused or lost (DESIGN section 3)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, TriggerKey

__all__ = [
    "Decision",
    "Deferred",
    "Held",
    "Loss",
    "Once",
    "Refusal",
    "Repeat",
    "ReplayRequest",
    "Trial",
    "Verdict",
    "VerdictKind",
]


class VerdictKind(enum.IntEnum):
    """What became of an event at one trigger's dependency. The numbers are stored: never change one.

    `FIRED` made the condition true. `HELD` waits for other dependencies. `FILTERED` did not pass a filter. `ERRORED` could not be
    evaluated (a missing path, for one). `DUPLICATE` was seen before. `ONCE` made the condition true once more for a key that has fired
    already (`once`). `DROPPED` passed and is not held, since an earlier event of its dependency is (`hold: first`). `SET_ASIDE` ended the
    process again and again while it was decided, and is not decided any more. `REFUSED` made the condition true, and the trigger said at
    once that it would refuse that firing (an argument without a value, for one), so there is none.
    """

    FIRED = 1
    HELD = 2
    FILTERED = 3
    ERRORED = 4
    DUPLICATE = 5
    ONCE = 6
    DROPPED = 7
    SET_ASIDE = 8
    REFUSED = 9


class Verdict(NamedTuple):
    """One line of an event's row. `revision` is that of the Sensor's manifest, `trigger` and `dependency` are indices into its lists,
    `clause` is the number of the clause that decided within the compiled program (-1: none). Values are not stored: `explain`
    runs the revision again."""

    revision: int
    trigger: int
    dependency: int
    kind: VerdictKind
    clause: int = -1


class Held(NamedTuple):
    """An event held for a condition. `digest` is that of the dependency's definition: a held event outlives only an equal one. `at` is
    when it arrived (Unix seconds), `join` the value that it is correlated by. One trigger may hold several events of a dependency."""

    key: TriggerKey
    dependency: str
    digest: str
    event_id: str
    position: int
    transformed: bytes | None = None
    at: float = 0.0
    join: str = ""


class Deferred(NamedTuple):
    """An event that one trigger is still to decide, since a program is away or earlier events of the trigger are waiting for one. `at` is
    when it arrived (Unix seconds), `replay` as in `Decision`. `number` is given by the ledger: a trigger's rows are in its order."""

    key: TriggerKey
    event_id: str
    position: int
    at: float
    replay: int = 0
    number: int = 0


class Trial(NamedTuple):
    """What was first in line when a process began: a deferred row of a trigger, or a replay request (`trigger` is then `None`), by its
    `number`. So many processes have begun with it there (`starts`), and so many died while they decided it and nothing else (`alone`)."""

    trigger: TriggerKey | None
    number: int
    starts: int
    alone: int = 0


class Once(NamedTuple):
    """A key of a trigger's `once` that has fired: which firing, when (Unix seconds), until when that is remembered at least, and how
    often it has fired `before`."""

    trigger: TriggerKey
    key: str
    firing: str
    at: float
    until: float
    before: int = 0


class Repeat(NamedTuple):
    """What a verdict `ONCE` of a trigger names: the earlier firing."""

    trigger: TriggerKey
    firing: str


class Refusal(NamedTuple):
    """What a verdict `REFUSED` rests on. The event of `dependency` made the condition true; `reason` and `message` as in `Outcome`; `at` is
    when it was refused (Unix seconds), and `heals` says that it may be accepted once something else is corrected. `beside` are the held
    events that the firing would have had as well, oldest first: they are held no longer, and a replay of the event decides with them."""

    trigger: TriggerKey
    dependency: str
    reason: str
    message: str
    at: float = 0.0
    beside: tuple[Held, ...] = ()
    heals: bool = False


class Loss(NamedTuple):
    """An event that was held by a trigger for a dependency and went without a firing, at `at` (Unix seconds). `reason` is one word:
    `late` (`within`), `reset`, `full`, `changed` (its dependency's definition, or when the trigger fires), `deleted` (the sensor)."""

    trigger: TriggerKey
    dependency: str
    position: int
    reason: str
    at: float


@dataclass(slots=True)
class Decision:
    """All that the Matcher decided about one event. An event that concerns nobody has empty tuples; its id is remembered all the same.
    A value like the others, not frozen only because one is made for each event, and freezing takes six times as long as making.

    Applied in this order: `released` (triggers whose held events all go), `dropped` (held events that go one by one), `held` (put beside
    what is held), `firings`, `once` (put, replacing the same key's). `deferred` are the triggers that decide the event later. `refusals`
    and `losses` are only recorded; a loss may be of an earlier event.
    `replay` is the number of the replay request that is decided, 0 for an arrival; a replay moves no position and marks no id.
    """

    event_id: str
    position: int
    verdicts: tuple[Verdict, ...] = ()
    released: tuple[TriggerKey, ...] = ()
    held: tuple[Held, ...] = ()
    firings: tuple[Firing, ...] = ()
    replay: int = 0
    dropped: tuple[Held, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    once: tuple[Once, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """An event to be decided again. `number` is unique in the ledger; no `triggers` means all that listen."""

    number: int
    position: int
    event: Event
    triggers: tuple[TriggerKey, ...]
    actor: str
