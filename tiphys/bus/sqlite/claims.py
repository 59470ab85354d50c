"""Who may act on which firing now: the waiting firings by trigger, and the claims that were given out.

Only numbers of firings are in memory, a page of each trigger's at most, so that neither memory nor the cost of a claim grows with a
backlog; the rows are read when they are claimed. Claims themselves are not written anywhere: with the process its claims end.

A trigger's firings wait in two places, in memory as in the index of the file: *ready* ones in the order of their decision, and
*delayed* ones by the instant before which they may not be tried again. When a delayed one is due it goes by its number, so that
an old firing is not overtaken for ever by new ones.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.ledger import NO_LIMITS

__all__ = ["PAGE", "Claimed", "Claims", "Permits", "Waiting"]

PAGE: Final = 512
_FRESH: Final = 8192
_ALL: Final = (float("inf"), 0)


@dataclass(slots=True, eq=False)
class Waiting:
    """The waiting firings of one trigger. `number` is the trigger's."""

    key: TriggerKey
    number: int
    page: int = PAGE
    ready: deque[int] = field(default_factory=deque)
    # what the file may have of ready firings begins after this number
    loaded_to: int = 0
    ready_in_file: bool = False
    due: list[int] = field(default_factory=list)
    delayed: list[tuple[float, int]] = field(default_factory=list)
    # delayed firings from here on (instant, number) are in the file only
    delayed_from: tuple[float, int] = _ALL
    # counts new firings, so that a page that was read meanwhile knows that it may lack some
    additions: int = 0
    # counts the times that memory was emptied: a page that was asked for before is not of use
    emptied: int = 0
    # a page is being read: what is put back meanwhile may be missing in it, and stays in memory
    reading: bool = False

    def add_ready(self, number: int) -> None:
        """A new firing; beyond a page it stays in the file."""
        self.additions += 1
        if self.ready_in_file or len(self.ready) >= self.page:
            self.ready_in_file = True
        else:
            self.ready.append(number)
            self.loaded_to = max(self.loaded_to, number)

    def put_back(self, number: int, not_before: float) -> None:
        """A firing that was tried or whose claim ran out."""
        if not_before <= 0:
            heapq.heappush(self.due, number)
        elif self.reading or (not_before, number) < self.delayed_from:
            heapq.heappush(self.delayed, (not_before, number))
            if len(self.delayed) > 2 * self.page and not self.reading:
                self.delayed.sort()
                self.delayed_from = self.delayed[self.page]
                del self.delayed[self.page :]

    def next_due(self) -> float:
        """The instant at which the next delayed one is due; infinity if none is known."""
        return min(self.delayed[0] if self.delayed else _ALL, self.delayed_from)[0]

    def advance(self, now: float) -> None:
        """Make the delayed ones due whose time has come."""
        while self.delayed and self.delayed[0][0] <= now:
            heapq.heappush(self.due, heapq.heappop(self.delayed)[1])

    def take(self) -> int | None:
        """The oldest that is due, or `None`."""
        if self.due and not (self.ready and self.ready[0] < self.due[0]):
            return heapq.heappop(self.due)
        return self.ready.popleft() if self.ready else None

    def delayed_before(self) -> bool:
        """Whether one that is not due yet comes before those that are."""
        return not self.due and self.next_due() != _ALL[0]

    def needs_ready(self) -> bool:
        """Whether ready firings must be read from the file."""
        return self.ready_in_file and not self.ready

    def needs_delayed(self, now: float) -> bool:
        """Whether delayed firings must be read from the file."""
        return self.delayed_from[0] <= now and (not self.delayed or self.delayed[0][0] > now)

    def forget(self) -> None:
        """Everything may be otherwise in the file: read it again."""
        self.ready.clear()
        self.due.clear()
        self.delayed.clear()
        self.loaded_to, self.ready_in_file, self.delayed_from = 0, True, (0.0, 0)
        self.emptied += 1


@dataclass(slots=True, eq=False)
class Claimed:
    """A claim that was given out. `deadline` is the loop's time; `started` Unix seconds; `writes` counts what the writer has of it: a
    claim does not run out under a write."""

    number: int
    waiting: Waiting
    token: int
    deadline: float
    started: float
    writes: int = 0
    # it was asked for while it was given out: who shelves it then puts it back
    recalled: bool = False


class Permits:
    """What one claim may give, as `Ledger.claim` says; `room` counts down while it is given."""

    __slots__ = ("_busy", "_given", "_room", "in_order", "retried")

    def __init__(
        self,
        busy: Collection[TriggerKey] = (),
        room: Mapping[TriggerKey, int] = NO_LIMITS,
        in_order: Collection[TriggerKey] = (),
        retried: Collection[TriggerKey] = (),
    ) -> None:
        self._busy = busy if isinstance(busy, set | frozenset | dict) else set(busy)
        self._room, self.in_order, self.retried = room, in_order, retried
        self._given: Counter[TriggerKey] = Counter()

    def allow(self, key: TriggerKey) -> bool:
        """Whether one more of a trigger may be given."""
        if key in self._busy:
            return False
        return key not in self._room or self._room[key] > self._given[key]

    def begin(self) -> None:
        """Nothing is given yet."""
        self._given.clear()

    def count(self, key: TriggerKey) -> None:
        """One was given."""
        if self._room:
            self._given[key] += 1


class Claims:
    """All of it; pure but for its memory, used on the event loop only."""

    def __init__(self, page: int = PAGE) -> None:
        self._page = page
        self.waiting: dict[TriggerKey, Waiting] = {}
        self.claimed: dict[int, Claimed] = {}
        self.by_token: dict[int, Claimed] = {}
        self.fresh: OrderedDict[int, tuple[Firing, float]] = OrderedDict()
        self._turn: OrderedDict[TriggerKey, Waiting] = OrderedDict()
        self._tokens = itertools.count(1)
        self._leases: list[tuple[float, int, int]] = []
        self._alarms: list[tuple[float, int, Waiting]] = []
        self._order = itertools.count()

    # -- what is there

    def trigger(self, key: TriggerKey, number: int) -> Waiting:
        """The waiting firings of a trigger."""
        waiting = self.waiting.get(key)
        if waiting is None:
            waiting = self.waiting[key] = Waiting(key, number, self._page)
        return waiting

    def in_file(self, key: TriggerKey, number: int) -> None:
        """A trigger has firings in the file (at opening)."""
        waiting = self.trigger(key, number)
        waiting.forget()
        self._turn[key] = waiting

    def add(self, number: int, firing: Firing, trigger: int, decided: float) -> None:
        """A new firing; its object is kept for a while, so that a claim need not read it. One that gathers waits until it is due, or is due
        earlier than was thought; one with a lane is read together with what is before it."""
        waiting = self.trigger(firing.key, trigger)
        if firing.gather is not None:
            self.put_back(waiting, number, firing.gather.due)
            return
        waiting.add_ready(number)
        self._turn.setdefault(firing.key, waiting)
        if firing.lane:
            return
        self.fresh[number] = (firing, decided)
        while len(self.fresh) > _FRESH:
            self.fresh.popitem(last=False)

    def put_back(self, waiting: Waiting, number: int, not_before: float) -> None:
        """A firing waits again, until `not_before` (Unix seconds)."""
        waiting.put_back(number, not_before)
        if not_before > 0:
            self._alarm(waiting)
        else:
            self._turn.setdefault(waiting.key, waiting)

    def loaded_ready(self, waiting: Waiting, numbers: list[int], additions: int, emptied: int) -> None:
        """A page of ready firings beyond `loaded_to` was read, begun when `additions` and `emptied` stood there."""
        if waiting.emptied != emptied:
            return
        for number in numbers:
            if number > waiting.loaded_to:
                waiting.loaded_to = number
                if number not in self.claimed:
                    waiting.ready.append(number)
        waiting.ready_in_file = len(numbers) == waiting.page or waiting.additions != additions

    def loaded_delayed(self, waiting: Waiting, rows: list[tuple[float, int]], emptied: int) -> None:
        """A page of delayed firings from `delayed_from` on was read, begun when `emptied` stood there."""
        if waiting.emptied != emptied:
            return
        known = {number for _, number in waiting.delayed} | set(waiting.due)
        waiting.delayed_from = (rows[-1][0], rows[-1][1] + 1) if len(rows) == waiting.page else _ALL
        for not_before, number in rows:
            if number not in known and number not in self.claimed:
                heapq.heappush(waiting.delayed, (not_before, number))
        self._alarm(waiting)

    def _alarm(self, waiting: Waiting) -> None:
        instant = waiting.next_due()
        if instant != _ALL[0]:
            heapq.heappush(self._alarms, (instant, next(self._order), waiting))

    def wake(self, now: float) -> None:
        """Give their turn to triggers whose delayed firings are due at `now` (Unix seconds)."""
        while self._alarms and self._alarms[0][0] <= now:
            waiting = heapq.heappop(self._alarms)[2]
            waiting.advance(now)
            if waiting.due or waiting.needs_delayed(now):
                self._turn.setdefault(waiting.key, waiting)
            if waiting.next_due() > now:
                self._alarm(waiting)

    def next_alarm(self) -> float:
        """Unix seconds of the next delayed firing; infinity if none."""
        return self._alarms[0][0] if self._alarms else float("inf")

    # -- giving out

    def pick(self, limit: int, permits: Permits, now: float) -> tuple[list[tuple[int, Waiting]], list[Waiting]]:
        """Up to `limit` firings, one of each trigger in turn; and the triggers of which a page must be read first."""
        chosen: list[tuple[int, Waiting]] = []
        lacking: list[Waiting] = []
        passed = 0
        while len(chosen) < limit and passed < len(self._turn):
            key, waiting = self._turn.popitem(last=False)
            if not permits.allow(key):
                self._turn[key] = waiting
                passed += 1
                continue
            waiting.advance(now)
            if waiting.needs_ready() or waiting.needs_delayed(now):
                # all that is due must be known before the oldest of it is
                self._turn[key] = waiting
                lacking.append(waiting)
                passed += 1
                if len(lacking) + len(chosen) >= limit:
                    break
                continue
            if waiting.delayed_before() and key in permits.in_order:
                # the next one in order has failed and is not due yet
                self._turn[key] = waiting
                passed += 1
                continue
            if key in permits.retried and not waiting.due:
                self._turn[key] = waiting
                passed += 1
                continue
            number = heapq.heappop(waiting.due) if key in permits.retried else waiting.take()
            if number is None:
                continue
            self._turn[key] = waiting
            if number not in self.claimed:
                chosen.append((number, waiting))
                permits.count(key)
                passed = 0
        return chosen, lacking

    def give(self, number: int, waiting: Waiting, deadline: float, started: float) -> Claimed:
        """Claim a firing until `deadline` (the loop's time)."""
        claimed = Claimed(number, waiting, next(self._tokens), deadline, started)
        self.claimed[number] = self.by_token[claimed.token] = claimed
        heapq.heappush(self._leases, (deadline, claimed.token, number))
        return claimed

    def renewed(self, claimed: Claimed, deadline: float) -> None:
        """A claim lasts longer."""
        claimed.deadline = deadline
        heapq.heappush(self._leases, (deadline, claimed.token, claimed.number))

    def expire(self, loop_time: float) -> None:
        """Put back what was claimed and not resolved in time."""
        again: list[tuple[float, int, int]] = []
        while self._leases and self._leases[0][0] <= loop_time:
            lease = heapq.heappop(self._leases)
            claimed = self.claimed.get(lease[2])
            if claimed is None or claimed.token != lease[1] or claimed.deadline > loop_time:
                continue
            if claimed.writes:
                again.append(lease)
            else:
                self.end(claimed)
                self.put_back(claimed.waiting, claimed.number, 0.0)
        for lease in again:
            heapq.heappush(self._leases, lease)

    def next_lease(self) -> float:
        """The loop's time at which the next claim may run out; infinity if none."""
        return self._leases[0][0] if self._leases else float("inf")

    def end(self, claimed: Claimed) -> None:
        """A claim is over."""
        if self.claimed.get(claimed.number) is claimed:
            del self.claimed[claimed.number], self.by_token[claimed.token]
        self.fresh.pop(claimed.number, None)

    def void(self, in_file: Iterable[tuple[TriggerKey, int]]) -> None:
        """End all claims; what waits is read from the file again."""
        self.claimed.clear()
        self.by_token.clear()
        self._leases.clear()
        self._alarms.clear()
        self._turn.clear()
        self.fresh.clear()
        self.waiting.clear()
        for key, number in in_file:
            self.in_file(key, number)
