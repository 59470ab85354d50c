"""A decision while it is made: an event may concern several dependencies of one trigger, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.ledger import Decision, Deferred, Held, Loss, Once, Refusal, Repeat, Verdict

__all__ = ["Making"]

_Place = tuple[TriggerKey, str, str, int]


class Making:
    """What is decided about one event. `at` is when it arrived (Unix seconds), `replay` the number of a replay, 0 for an arrival; `before`
    are then the refusals of its earlier decisions."""

    __slots__ = (
        "_dropped",
        "_held",
        "_released",
        "at",
        "before",
        "deferred",
        "event",
        "firings",
        "losses",
        "once",
        "position",
        "refusals",
        "repeats",
        "replay",
        "verdicts",
    )

    def __init__(self, event: Event, position: int, at: float, replay: int = 0, before: Sequence[Refusal] = ()) -> None:
        self.event, self.position, self.at, self.replay, self.before = event, position, at, replay, before
        self.verdicts: list[Verdict] = []
        self.firings: list[Firing] = []
        self.deferred: dict[TriggerKey, Deferred] = {}
        self.once: list[Once] = []
        self.repeats: list[Repeat] = []
        self.refusals: list[Refusal] = []
        self.losses: list[Loss] = []
        self._released: dict[TriggerKey, None] = {}
        self._dropped: dict[_Place, Held] = {}
        self._held: dict[_Place, Held] = {}

    def defer(self, key: TriggerKey) -> None:
        """The trigger decides later."""
        self.deferred[key] = Deferred(key, self.event.id, self.position, self.at, self.replay)

    def hold(self, held: Held) -> None:
        """Held from now on."""
        self._held[_place(held)] = held

    def drop(self, held: Held) -> None:
        """Held no longer. What this event has put there was never held."""
        if self._held.pop(_place(held), None) is None:
            self._dropped[_place(held)] = held

    def release(self, key: TriggerKey) -> None:
        """All that the trigger holds goes, what this event has put there as well."""
        self._released[key] = None
        for places in (self._held, self._dropped):
            for place in [place for place in places if place[0] == key]:
                del places[place]

    def use_up(self, beside: Sequence[Held], reason: str, at: float) -> None:
        """Held events went with a firing that there is not."""
        self.losses += [Loss(one.key, one.dependency, one.position, reason, at) for one in beside]

    def decision(self) -> Decision:
        """What the ledger applies."""
        return Decision(
            self.event.id,
            self.position,
            tuple(self.verdicts),
            tuple(self._released) if self._released else (),
            tuple(self._held.values()) if self._held else (),
            tuple(self.firings) if self.firings else (),
            self.replay,
            tuple(self._dropped.values()) if self._dropped else (),
            tuple(self.deferred.values()) if self.deferred else (),
            tuple(self.once) if self.once else (),
            tuple(self.repeats) if self.repeats else (),
            tuple(self.refusals) if self.refusals else (),
            tuple(self.losses) if self.losses else (),
        )


def _place(held: Held) -> _Place:
    return held.key, held.join, held.dependency, held.position
