"""What the triggers hold, and the condition step (reference 5.2): an event that passed arrives at a trigger.

The state lives here and in the ledger. Memory changes when an event is decided, the ledger when that is settled; a settle that the store
refuses is tried again with the same decisions until it is taken, so the two never part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from sensors.conditions import Dropped, Gate, HeldEvent, JoinStates, Loss, NoJoinKey
from sensors.making import Making
from sensors.program import DependencyProgram, TriggerProgram
from tiphys.bus import ledger as bus
from tiphys.bus.firing import DependencyEvent, Firing, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Held, VerdictKind

__all__ = ["Arrival", "Holdings", "lost"]

_log = structlog.get_logger(__name__)
_JSON: Final = "application/json"


class Arrival(NamedTuple):
    """What an event that passed makes at a trigger: how it counts there, and a firing where it makes the condition true, with the held
    events that were `beside` it."""

    kind: VerdictKind
    firing: Firing | None = None
    beside: tuple[Held, ...] = ()


_RECORDED: Final = frozenset((Loss.LATE, Loss.RESET, Loss.FULL))
_HELD: Final = Arrival(VerdictKind.HELD)
_DROPPED: Final = Arrival(VerdictKind.DROPPED)


class _Holding:
    """One trigger's held events by join key, and the digests of the dependencies that they are held for."""

    __slots__ = ("digests", "states")

    def __init__(self) -> None:
        self.states = JoinStates()
        self.digests: dict[str, str] = {}

    def row(self, key: TriggerKey, one: HeldEvent) -> Held:
        digest = self.digests.get(one.dependency, "")
        return Held(key, one.dependency, digest, one.event_id, one.position, one.transformed, one.at, one.join)


class Holdings:
    """Held events by trigger. `watch` hears of each trigger that holds something which can lapse by itself."""

    def __init__(self, watch: Callable[[TriggerProgram], None], clock: Callable[[], float]) -> None:
        self._by_trigger: dict[TriggerKey, _Holding] = {}
        self._watch, self._clock = watch, clock
        self._full: set[TriggerKey] = set()

    def load(self, rows: Iterable[Held]) -> None:
        """What the ledger has, in its order."""
        for row in rows:
            holding = self._by_trigger.setdefault(row.key, _Holding())
            holding.digests[row.dependency] = row.digest
            one = HeldEvent(row.dependency, row.event_id, row.position, row.at, row.join, row.transformed)
            holding.states.keep(row.join, (*holding.states.held(row.join), one))

    def keys(self) -> list[TriggerKey]:
        """The triggers that hold something."""
        return list(self._by_trigger)

    def counts(self) -> dict[TriggerKey, int]:
        """How many events each trigger holds."""
        return {key: len(holding.states) for key, holding in self._by_trigger.items()}

    def of(self, key: TriggerKey) -> list[Held]:
        """What a trigger holds, by join key, oldest first within one."""
        holding = self._by_trigger.get(key)
        return [holding.row(key, one) for one in holding.states] if holding else []

    def groups(self, key: TriggerKey) -> list[tuple[str, Sequence[HeldEvent]]]:
        """The same by join key."""
        holding = self._by_trigger.get(key)
        return list(holding.states.items()) if holding else []

    def rows(self, key: TriggerKey, events: Iterable[HeldEvent]) -> list[Held]:
        """Events of a trigger's groups as the ledger knows them."""
        holding = self._by_trigger.get(key)
        return [holding.row(key, one) for one in events] if holding else []

    def stale(self, trigger: TriggerProgram) -> list[str]:
        """Dependencies whose held events were put there under another definition."""
        holding = self._by_trigger.get(trigger.key)
        return [] if holding is None else [name for name, had in holding.digests.items() if trigger.digests.get(name) != had]

    def forget(self, key: TriggerKey, dependency: str | None = None) -> bool:
        """Let go of all that a trigger holds, or of what one dependency does; says whether there was anything."""
        if dependency is None:
            return self._by_trigger.pop(key, None) is not None
        holding = self._by_trigger.get(key)
        if holding is None:
            return False
        there = holding.digests.pop(dependency, None) is not None
        for join, held in list(holding.states.items()):
            left = tuple(one for one in held if one.dependency != dependency)
            if len(left) != len(held):
                holding.states.keep(join, left)
        if not len(holding.states):
            del self._by_trigger[key]
        return there

    def remove(self, key: TriggerKey, joins: Iterable[str]) -> None:
        """Let go of all that a trigger holds for some join keys."""
        holding = self._by_trigger.get(key)
        if holding is None:
            return
        for join in joins:
            holding.states.keep(join, ())
        if not len(holding.states):
            del self._by_trigger[key]

    # -- the condition step

    def arrive(self, trigger: TriggerProgram, dependency: DependencyProgram, data: bytes | None, making: Making) -> Arrival:
        """An event that passed, with its new data where a transform ran. What it changes is in `making`; a firing is left to the caller."""
        gate, name = trigger.gate, dependency.name
        if not gate.holds:
            if not trigger.condition.evaluate((name,)):
                return _HELD
            key, event_id = trigger.key, making.event.id
            identity = firing_id(key.namespace, key.sensor, key.trigger, {name: event_id}, replay=making.replay)
            event = DependencyEvent(event_id, making.position, data)
            return Arrival(VerdictKind.FIRED, Firing(identity, key, {name: event}, name, making.replay))
        join = ""
        if trigger.correlate is not None:
            try:
                join = trigger.correlate.key(name, making.event.transformed(data))
            except NoJoinKey:
                return Arrival(VerdictKind.ERRORED)
        arrived = HeldEvent(name, making.event.id, making.position, making.at, join, data)
        again = self._meet_again(trigger, gate, arrived, making) if making.before else None
        return again or self._meet(trigger, gate, arrived, making)

    def _meet_again(self, trigger: TriggerProgram, gate: Gate, arrived: HeldEvent, making: Making) -> Arrival | None:
        """A firing that was refused, decided once more: with the events that were beside it, whatever is held by now. `None` where they no
        longer make the condition true, or belong to a definition that has changed."""
        for refusal in making.before:
            if (refusal.trigger, refusal.dependency) == (trigger.key, arrived.dependency):
                beside = [one for one in refusal.beside if trigger.digests.get(one.dependency) == one.digest]
                if any(one.position == arrived.position for one in beside):
                    return None  # the same event for another dependency: it has just arrived there once more
                # they met in time once, so they stand as if they had come with the event
                held = [_held_event(one, making.at) for one in beside]
                outcome = gate.arrive(held, arrived.dependency, arrived, making.at)
                if outcome.fired is not None:
                    return _fired(trigger, outcome.fired, arrived, making.replay)
        return None

    def _meet(self, trigger: TriggerProgram, gate: Gate, arrived: HeldEvent, making: Making) -> Arrival:
        key, join = trigger.key, arrived.join
        holding = self._by_trigger.get(key)
        if holding is None:
            holding = self._by_trigger[key] = _Holding()
        held = holding.states.held(join)
        if making.replay:
            held = self._again(key, holding, held, arrived, making)
        outcome = gate.arrive(held, arrived.dependency, arrived, self._clock())
        self._note(key, outcome.dropped, making)
        if outcome.fired is not None:
            if trigger.correlate is None:
                if held:
                    making.release(key)
                del self._by_trigger[key]
            else:
                for one in held:
                    making.drop(holding.row(key, one))
                holding.states.keep(join, ())
                if not len(holding.states):
                    del self._by_trigger[key]
            return _fired(trigger, outcome.fired, arrived, making.replay)
        kept = True
        for one, loss in outcome.dropped:
            if loss is Loss.REPEATED:
                kept = False
            else:
                making.drop(holding.row(key, one))
            if loss is Loss.FULL:
                self._say_full(key)
        if kept:
            holding.digests[arrived.dependency] = trigger.digests[arrived.dependency]
            making.hold(holding.row(key, outcome.keep[-1]))
        overflow = holding.states.keep(join, outcome.keep)
        for one, _ in overflow:
            making.drop(holding.row(key, one))
        self._note(key, overflow, making)
        if overflow:
            self._say_full(key)
        if gate.lapses:
            self._watch(trigger)
        return _HELD if kept else _DROPPED

    def _note(self, key: TriggerKey, dropped: Iterable[Dropped], making: Making) -> None:
        """Put what is worth a record in `making`. That a later event took the place of an earlier one is the rule, and seen from that."""
        making.losses += [lost(key, one, loss, self._clock()) for one, loss in dropped if loss in _RECORDED]

    def _again(
        self, key: TriggerKey, holding: _Holding, held: Sequence[HeldEvent], arrived: HeldEvent, making: Making
    ) -> Sequence[HeldEvent]:
        """An event that is decided again counts once: its earlier self gives way."""
        left = [one for one in held if (one.dependency, one.position) != (arrived.dependency, arrived.position)]
        for one in held:
            if one not in left:
                making.drop(holding.row(key, one))
        return left

    def _say_full(self, key: TriggerKey) -> None:
        if key not in self._full:
            self._full.add(key)
            _log.warning(
                "a trigger holds as many events as it may, and those that have waited longest in vain are dropped",
                action="held-full",
                trigger="/".join(key),
            )


def lost(key: TriggerKey, one: HeldEvent, loss: Loss, at: float) -> bus.Loss:
    """What is recorded of a held event that goes without a firing."""
    return bus.Loss(key, one.dependency, one.position, loss.value, at)


def _firing(
    key: TriggerKey,
    events: Mapping[str, DependencyEvent],
    more: Mapping[str, tuple[DependencyEvent, ...]],
    completed_by: str,
    replay: int,
) -> Firing:
    ids = {name: one.id for name, one in events.items()}
    if more:
        for name, earlier in more.items():
            ids[name] = "+".join([*(one.id for one in earlier), ids[name]])
    identity = firing_id(key.namespace, key.sensor, key.trigger, ids, replay=replay)
    return Firing(identity, key, events, completed_by, replay, more=more)


def _fired(trigger: TriggerProgram, fired: Mapping[str, Sequence[HeldEvent]], arrived: HeldEvent, replay: int) -> Arrival:
    events: dict[str, DependencyEvent] = {}
    more: dict[str, tuple[DependencyEvent, ...]] = {}
    for name, held in fired.items():
        *earlier, last = [DependencyEvent(one.event_id, one.position, one.transformed) for one in held]
        events[name] = last
        if earlier:
            more[name] = tuple(earlier)
    firing = _firing(trigger.key, events, more, arrived.dependency, replay)
    if trigger.check is None and trigger.once is None:  # nobody asks
        return Arrival(VerdictKind.FIRED, firing)
    itself = arrived.dependency, arrived.position
    others = [one for held in fired.values() for one in held if (one.dependency, one.position) != itself]
    others.sort(key=lambda one: (one.at, one.position))
    return Arrival(VerdictKind.FIRED, firing, tuple(_row(trigger, one) for one in others))


def _row(trigger: TriggerProgram, one: HeldEvent) -> Held:
    digest = trigger.digests.get(one.dependency, "")
    return Held(trigger.key, one.dependency, digest, one.event_id, one.position, one.transformed, one.at, one.join)


def _held_event(one: Held, at: float) -> HeldEvent:
    return HeldEvent(one.dependency, one.event_id, one.position, at, one.join, one.transformed)
