"""A firing: one decision that a trigger shall act, and everything that is recorded about acting on it."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tiphys.bus.event import Event

__all__ = [
    "Attempt",
    "Claim",
    "DependencyEvent",
    "Firing",
    "FiringState",
    "Gather",
    "Outcome",
    "OutcomeKind",
    "Target",
    "TriggerKey",
]


class TriggerKey(NamedTuple):
    """Names one trigger of one sensor."""

    namespace: str
    sensor: str
    trigger: str


@dataclass(slots=True, unsafe_hash=True)
class DependencyEvent:
    """An event as one dependency saw it. `position` is its place in the log; `transformed` replaces its data where a transform ran. A
    value, and not frozen for the reason of `Decision`."""

    id: str
    position: int
    transformed: bytes | None = None


@dataclass(frozen=True, slots=True)
class Gather:
    """How a new firing waits for others of its trigger with the same `lane`, `wait` seconds after its first completion at most.

    With `size` the next completions join it, until there are so many, and it is due when there are or the time is over. Without (0) the
    next one takes its place and waits anew, until `most` seconds after the first (`None`: without end). `due` and `since` are the ledger's.
    """

    wait: float
    size: int = 0
    most: float | None = None
    due: float = 0.0
    since: float | None = None


@dataclass(slots=True)
class Firing:
    """One act of one trigger. `id` is derived by `firing_id`; `events` maps dependency names to what they saw, the latest of each; `more`
    has the earlier ones of dependencies of which several were held (`hold: all`), oldest first.

    `completed_by` names the dependency whose event made the condition true. `parent` is the firing whose dead letter this one
    handles (`dlq`), or whose replay it is. A firing names its trigger, not a version of it: it is rendered with the manifest
    that is current at its first attempt. `lane` is the value that tells its trigger's firings apart (`order`, `concurrency`), empty for
    none; with `gather` it may be joined or replaced before it is due, which only `settle` looks at. Not frozen, as `Decision`.
    """

    id: str
    key: TriggerKey
    events: Mapping[str, DependencyEvent]
    completed_by: str = ""
    replay: int = 0
    dlq: bool = False
    document: int = 0
    parent: str = ""
    more: Mapping[str, tuple[DependencyEvent, ...]] = field(default_factory=dict)
    lane: str = ""
    gather: Gather | None = field(default=None, compare=False)

    def every(self) -> Iterator[DependencyEvent]:
        """All of its events, those of `more` as well: what it keeps from retention."""
        yield from self.events.values()
        for events in self.more.values():
            yield from events


class FiringState(enum.StrEnum):
    """Where a firing stands. `PENDING` waits for its turn or its back-off, `STARTED` has begun at least once and is being tried."""

    PENDING = "pending"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Target:
    """What a firing is about to make or change, written by `begin` before the first request leaves.

    For a Kubernetes object `api_version`, `kind`, `namespace` and `name` are the object's; for anything else `kind` is the
    trigger's type and `name` the idempotency key. `digest` is the SHA-256 of the request in hex, without secrets. `operation` says
    what is done to an object that is there (`update`, `patch`, `delete`); empty: an object is made. `uid` is that object's, as read
    before it was changed.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    digest: str = ""
    operation: str = ""
    uid: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


class OutcomeKind(enum.StrEnum):
    """How an attempt ended: each member's effect on the firing.

    `SUCCEEDED` ends it. `RETRY` puts it back until `retry_at`, and `begin`'s target stands. `RELEASED` puts it back and forgets
    the target (a definite refusal, so a corrected manifest heals it). `DEAD` ends it as a dead letter. `CANCELLED` ends it
    because its trigger is gone.
    """

    SUCCEEDED = "succeeded"
    RETRY = "retry"
    RELEASED = "released"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `resolve` records of an attempt. `retry_at` is Unix seconds; `reason` one CamelCase word, `message` for people."""

    kind: OutcomeKind
    reason: str = ""
    message: str = ""
    retry_at: float = 0.0
    result: Target | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded attempt of a firing: its number from 1, when it started and ended (Unix seconds), and its outcome."""

    number: int
    started: float
    ended: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act on a firing until `deadline` (monotonic seconds of this process); renewed while executing.

    `attempt` counts from 1. `target` is what an earlier attempt began and whose outcome is unknown: look there first.
    `first_attempt` and `decided` are Unix seconds; `first_attempt` is 0 before the first. `events` are the events themselves, with a
    transform's result in place of the data; `earlier` are those of the firing's `more`. `behind` says that an unfinished firing with the
    same `lane` was decided before it.
    """

    firing: Firing
    token: int
    deadline: float
    attempt: int
    events: Mapping[str, Event] = field(default_factory=dict)
    target: Target | None = None
    first_attempt: float = 0.0
    decided: float = 0.0
    earlier: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    behind: bool = False
