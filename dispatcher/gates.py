"""What a trigger's firings wait for beside a place: limits that its manifest asks for.

A gate says how many more of a trigger's firings may start now. Triggers whose gates are shut are named as busy when claiming, so that
their firings wait in the ledger, where they cost nothing and hold back nobody; one that opens by itself at an instant is looked at again
by one alarm for all, at the head of a heap. A trigger without gates is in none of this.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from tiphys.bus.firing import Claim, TriggerKey
from tiphys.bus.ledger import Ledger

__all__ = ["ANY_NUMBER", "Gate", "Gates", "instant"]

ANY_NUMBER: Final = 1 << 30
"""The room of a gate that does not count."""


def instant(seconds: float) -> str:
    """Unix seconds as RFC 3339 text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Gate(ABC):
    """One limit of one trigger. `now` is always the loop's time. Two gates that are equal stand for the same limit, so that a manifest
    which changes something else does not begin it anew."""

    #: seconds for which the ledger is to remember when an attempt began; 0: not at all
    remembered: float = 0.0
    #: whether the ledger is to give firings strictly in order
    in_order: bool = False
    #: whether firings that were tried before may be claimed while it is shut: they may have to be looked for
    retries: bool = False

    async def load(self, ledger: Ledger, key: TriggerKey) -> None:  # noqa: B027  most have nothing to load
        """Learn what an earlier process left. Until then the gate counts as shut. Raises `StoreError`."""

    @abstractmethod
    def room(self, now: float) -> int:
        """How many more firings may start."""

    def opens(self, now: float) -> float:
        """When a gate that is shut opens by itself; infinity if something else has to happen first."""
        return math.inf

    def started(self, claim: Claim, now: float) -> None:  # noqa: B027  a gate may count nothing
        """An attempt starts."""

    def ended(self, claim: Claim, now: float, *, began: bool) -> None:  # noqa: B027  a gate may count nothing
        """It is over; `began` says whether it came as far as sending its request."""

    @abstractmethod
    def why(self, now: float) -> tuple[str, float]:
        """What firings wait for while it is shut, for people, and the instant at which it opens (infinity: not known)."""


class _Trigger:
    """The gates of one trigger."""

    __slots__ = ("alarm", "gates", "key", "loaded")

    def __init__(self, key: TriggerKey, gates: Sequence[Gate]) -> None:
        self.key, self.gates, self.loaded, self.alarm = key, tuple(gates), False, 0.0

    def room(self, now: float) -> int:
        return max(0, min(gate.room(now) for gate in self.gates)) if self.loaded else 0

    def opens(self, now: float) -> float:
        """When all that are shut are open: at the latest of their instants."""
        return max(gate.opens(now) for gate in self.gates if gate.room(now) <= 0)


class Gates:
    """The gates of all triggers that have some. `changed` is called when one opens; `clock` gives Unix seconds.

    What a claim asks for: `room`, how many more of a trigger may be claimed; `shut`, the triggers of which none may; `in_order`, those
    whose firings must not overtake each other; `retried`, those of which only firings may that were tried before.
    """

    def __init__(self, changed: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
        self._changed, self._clock = changed, clock
        self._triggers: dict[TriggerKey, _Trigger] = {}
        self._unloaded: list[_Trigger] = []
        self._alarms: list[tuple[float, TriggerKey]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.room: dict[TriggerKey, int] = {}
        self.shut: set[TriggerKey] = set()
        self.in_order: set[TriggerKey] = set()
        self.retried: set[TriggerKey] = set()

    def put(self, key: TriggerKey, gates: Sequence[Gate]) -> None:
        """A trigger has these gates from now on. Those that are equal to the ones it had are kept as they are."""
        old = self._triggers.get(key)
        if not gates:
            self.remove(key)
            return
        if old is not None and list(old.gates) == list(gates):
            return
        trigger = self._triggers[key] = _Trigger(key, gates)
        self._unloaded.append(trigger)
        self.shut.add(key)
        if any(gate.in_order for gate in gates):
            self.in_order.add(key)
        else:
            self.in_order.discard(key)

    def remove(self, key: TriggerKey) -> None:
        """A trigger is gone."""
        if self._triggers.pop(key, None) is not None:
            self.room.pop(key, None)
            self.shut.discard(key)
            self.in_order.discard(key)
            self.retried.discard(key)

    async def load(self, ledger: Ledger) -> None:
        """Let new gates learn what an earlier process left. Raises `StoreError`; what is not loaded then is so at the next call."""
        while self._unloaded:
            trigger = self._unloaded[-1]
            for gate in trigger.gates:
                await gate.load(ledger, trigger.key)
            trigger.loaded = True
            self._unloaded.remove(trigger)
            if self._triggers.get(trigger.key) is trigger:
                self.look(trigger.key)

    def open(self, key: TriggerKey) -> bool:
        """Whether one more firing of a trigger may start."""
        return key not in self.shut

    def remembered(self, key: TriggerKey) -> float:
        """For how long the ledger is to remember when an attempt of a trigger begins; 0: not at all."""
        trigger = self._triggers.get(key)
        return max(gate.remembered for gate in trigger.gates) if trigger is not None else 0.0

    def started(self, claim: Claim) -> None:
        """An attempt starts."""
        trigger = self._triggers.get(claim.firing.key)
        if trigger is not None:
            now = self._now()
            for gate in trigger.gates:
                gate.started(claim, now)
            self.look(trigger.key)

    def ended(self, claim: Claim, *, began: bool) -> None:
        """An attempt is over."""
        trigger = self._triggers.get(claim.firing.key)
        if trigger is not None:
            now = self._now()
            for gate in trigger.gates:
                gate.ended(claim, now, began=began)
            self.look(trigger.key)

    def why(self, key: TriggerKey) -> str:
        """What a trigger's firings wait for, for people; empty if for no gate."""
        trigger = self._triggers.get(key)
        if trigger is None or not trigger.loaded:
            return ""
        now, texts = self._now(), []
        # in order the one before may wait for its next attempt while nothing is shut
        for gate in [one for one in trigger.gates if one.room(now) <= 0] or [one for one in trigger.gates if one.in_order]:
            text, at = gate.why(now)
            texts.append(text if at == math.inf else f"{text}, next at {instant(self._clock() + at - now)}")
        return " and ".join(texts)

    def look(self, key: TriggerKey) -> None:
        """Something has changed for a trigger: find out whether it is open."""
        trigger = self._triggers.get(key)
        if trigger is None:
            return
        now = self._now()
        room = trigger.room(now)
        if room > 0:
            self.room.pop(key, None)
            if room < ANY_NUMBER:
                self.room[key] = room
            if key in self.shut or key in self.retried:
                self.shut.discard(key)
                self.retried.discard(key)
                self._changed()
            return
        if trigger.loaded and all(gate.retries for gate in trigger.gates if gate.room(now) <= 0):
            self.room.pop(key, None)
            self.shut.discard(key)
            if key not in self.retried:
                self.retried.add(key)
                self._changed()
        else:
            self.retried.discard(key)
            self.shut.add(key)
            self.room[key] = 0
        if trigger.loaded and (at := trigger.opens(now)) != math.inf and at != trigger.alarm:
            trigger.alarm = at
            heapq.heappush(self._alarms, (at, key))
            self._set_timer()

    def _set_timer(self) -> None:
        """One alarm, for the head of the heap."""
        if self._timer is not None and self._timer.when() <= self._alarms[0][0]:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._alarms[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now, due = self._now(), set()
        while self._alarms and self._alarms[0][0] <= now:
            due.add(heapq.heappop(self._alarms)[1])
        for key in due:
            if (trigger := self._triggers.get(key)) is not None:
                trigger.alarm = 0.0
                self.look(key)
        if self._alarms:
            self._set_timer()

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
