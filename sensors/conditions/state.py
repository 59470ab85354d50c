"""What one trigger holds, and what an arrival makes of it (reference 2.4, 5.2). Pure: what is held comes in and goes out.

argo-events' rule is the quick way: the latest event of each dependency is held until the condition is true; then all that is held and the
event that came are one firing, also what the satisfied branch did not ask for, and nothing is held any more.

Ours change which events are held when an event arrives: `within` drops what is older than the span, `hold` says what happens to the
earlier events of the same dependency, `conditionsReset` drops what arrived before a reset. A time is that at which an event arrived, never
that at which it is decided, so that a backlog is decided as it would have been without one.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sensors.conditions.expression import HIGHEST_COUNT, Condition
from sensors.conditions.reset import Reset
from tiphys.schema.conditions import Hold

__all__ = ["MOST_HELD", "Dropped", "Gate", "HeldEvent", "Loss", "Outcome"]

MOST_HELD: Final = HIGHEST_COUNT
"""Events of one dependency that are held for one join key (`hold: all`)."""


class HeldEvent(NamedTuple):
    """An event that waits. `position` is its place in the log, `at` its arrival (Unix seconds), `join` the value of `correlate` (empty
    without), `transformed` what replaces its data where a transform ran."""

    dependency: str
    event_id: str
    position: int
    at: float
    join: str = ""
    transformed: bytes | None = None


class Loss(enum.StrEnum):
    """Why an event will be in no firing, though it passed its filters.

    `REPLACED`: a later event of its dependency took its place (`hold: latest`). `REPEATED`: an earlier one keeps the place (`hold: first`).
    `LATE`: it is older than `within`. `RESET`: it arrived before a reset. `FULL`: as many
    events of its dependency are held as may be, or as many join keys.
    """

    REPLACED = "replaced"
    REPEATED = "repeated"
    LATE = "late"
    RESET = "reset"
    FULL = "full"


class Dropped(NamedTuple):
    """An event that is held no longer, or not at all, without a firing."""

    event: HeldEvent
    loss: Loss


class Outcome(NamedTuple):
    """What an arrival made. `fired`: the events of a firing by dependency, each oldest first, `None` if the condition is not true. `keep`:
    all that is held afterwards, oldest first. `dropped`: what went without a firing, for metrics and `explain`."""

    fired: Mapping[str, Sequence[HeldEvent]] | None
    keep: Sequence[HeldEvent]
    dropped: Sequence[Dropped] = ()


class Gate:
    """A trigger's condition with its `within`, `hold` and resets. Use one for all join keys of a trigger: it keeps nothing itself."""

    __slots__ = ("_bits", "_condition", "_holds", "_plain", "_reset", "_within")

    def __init__(
        self,
        condition: Condition,
        *,
        within: float | None = None,
        hold: Mapping[str, Hold] | None = None,
        reset: Reset | None = None,
    ) -> None:
        """`within` in seconds. `hold` by dependency; those that it does not name hold the latest."""
        self._condition, self._within, self._reset = condition, within, reset
        self._holds: Mapping[str, Hold] = {name: how for name, how in (hold or {}).items() if how != "latest"}
        self._bits = condition.bits
        self._plain = within is None and not self._holds and not condition.counts and reset is None

    @property
    def holds(self) -> bool:
        """Whether events are held at all; if not, each event stands alone and nothing needs to be looked up."""
        return self._condition.requires_and

    def arrive(self, held: Sequence[HeldEvent], dependency: str, event: HeldEvent, now: float) -> Outcome:
        """An event of `dependency` arrives; `held` is all that is held of this trigger and join key, oldest first. `now` (Unix seconds)
        bounds `event.at`: no event arrives after it is decided, whatever another machine's clock says."""
        if not self._condition.requires_and:
            return Outcome({dependency: (event,)} if self._condition.evaluate((dependency,)) else None, ())
        if self._plain:
            return self._arrive_plainly(held, dependency, event)
        return self._arrive(held, dependency, event, now)

    def _arrive_plainly(self, held: Sequence[HeldEvent], dependency: str, event: HeldEvent) -> Outcome:
        bits = self._bits
        mask = bits.get(dependency, 0)
        others = []
        dropped: Sequence[Dropped] = ()
        for one in held:
            name = one[0]
            if name == dependency:
                dropped = (*dropped, Dropped(one, Loss.REPLACED))
            else:
                others.append(one)
                mask |= bits.get(name, 0)
        others.append(event)
        if self._condition.root.holds(mask):
            return Outcome({one[0]: (one,) for one in others}, (), dropped)
        return Outcome(None, others, dropped)

    def _arrive(self, held: Sequence[HeldEvent], dependency: str, event: HeldEvent, now: float) -> Outcome:
        # The clock of whoever stored the event may be ahead of ours, or have been set back since the last one came.
        at = max([min(event.at, now), *(one.at for one in held)])
        if at != event.at and (self._within is not None or self._reset is not None):
            event = event._replace(at=at)
        dropped: list[Dropped] = []
        kept = self._in_time(held, at, dropped)
        self._place(kept, dependency, event, dropped)
        fired: dict[str, list[HeldEvent]] = {}
        for one in kept:
            fired.setdefault(one.dependency, []).append(one)
        if self._condition.root.holds(self._condition.bits_of({name: len(events) for name, events in fired.items()})):
            return Outcome(fired, (), dropped)
        return Outcome(None, kept, dropped)

    def _in_time(self, held: Sequence[HeldEvent], at: float, dropped: list[Dropped]) -> list[HeldEvent]:
        reset = self._reset.since(at) if self._reset is not None and held else None
        kept = []
        for one in held:
            if reset is not None and one.at < reset:
                dropped.append(Dropped(one, Loss.RESET))
            elif self._within is not None and at - one.at > self._within:
                dropped.append(Dropped(one, Loss.LATE))
            else:
                kept.append(one)
        return kept

    def _place(self, kept: list[HeldEvent], dependency: str, event: HeldEvent, dropped: list[Dropped]) -> None:
        """Put the event among those that are kept, as `hold` says."""
        how = self._holds.get(dependency, "latest")
        same = [one for one in kept if one.dependency == dependency]
        if how == "first" and same:
            dropped.append(Dropped(event, Loss.REPEATED))
            return
        if how == "latest":
            for one in same:
                kept.remove(one)
                dropped.append(Dropped(one, Loss.REPLACED))
        elif len(same) >= MOST_HELD:  # a bound for each dependency, so that a flood of one does not push out the others
            kept.remove(same[0])
            dropped.append(Dropped(same[0], Loss.FULL))
        kept.append(event)

    @property
    def within(self) -> float | None:
        """Seconds for which an event is held; `None`: for ever."""
        return self._within

    @property
    def lapses(self) -> bool:
        """Whether what is held can lapse by itself: `lapsed` is then to be asked at `next_lapse`."""
        return self._within is not None or self._reset is not None

    def next_lapse(self, now: float) -> float:
        """When something that is held at `now` may have lapsed (Unix seconds): the next reset, or `within` from now; `inf` if never."""
        return min(
            now + self._within if self._within is not None else math.inf,
            self._reset.until(now) if self._reset is not None else math.inf,
        )

    def lapsed(self, held: Sequence[HeldEvent], now: float) -> Sequence[Dropped]:
        """All that is held, each with the reason, if nothing of it can be part of a firing any more, since its time is over: the caller may
        drop it. Empty otherwise."""
        dropped: list[Dropped] = []
        return () if self._in_time(held, now, dropped) else dropped
