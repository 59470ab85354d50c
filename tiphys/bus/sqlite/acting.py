"""`begin` and `resolve`: the two writes about each attempt of a firing, and the ends that no attempt makes.

Those of a batch share their statements. The row says once more, within the transaction, whether the firing is unfinished: where a
statement changes fewer rows than were asked for, the batch runs again job by job, and the one that is stale is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, Target
from tiphys.bus.sqlite.deciding import Numbered, insert_firings
from tiphys.bus.sqlite.gathering import delete_lanes
from tiphys.bus.sqlite.records import Damaged, firing_from_row, outcome_text, target_text
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.bus.sqlite.writer import Job
from tiphys.errors import StaleClaim, StaleEpoch

__all__ = ["Begin", "Resolve", "cancel_some", "end_firing"]

_PUT_BACK: Final = -1
_STATES: Final = {
    OutcomeKind.SUCCEEDED: 2,
    OutcomeKind.RETRY: _PUT_BACK,
    OutcomeKind.RELEASED: _PUT_BACK,
    OutcomeKind.DEAD: 3,
    OutcomeKind.CANCELLED: 4,
}


class Begin(Job[None]):
    """The target of one attempt. `started` is when it was claimed (Unix seconds)."""

    point = "begin"

    def __init__(
        self, epoch: int, number: int, claim: Claim, target: Target, started: float, remembered: tuple[int, float] | None = None
    ) -> None:
        """`remembered` is the number of a trigger whose starts are remembered, and for how many seconds."""
        super().__init__()
        self.epoch = epoch
        self.claim = claim
        self.remembered = remembered
        self.result = None
        self.row = (number, target_text(target), claim.attempt, started)

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[Begin]) -> None:
        """Write all targets. Raises `StaleClaim` if one of the firings is finished."""
        rows = []
        for job in jobs:
            job.error = StaleEpoch(job.epoch, tx.epoch) if job.epoch != tx.epoch else None
            if job.error is None:
                rows.append(job.row)
        if rows and tx.rows("begin_firings", rows) != len(rows):
            raise StaleClaim(jobs[0].claim.firing.id)
        if starts := [job.remembered for job in jobs if job.remembered is not None and job.error is None]:
            tx.rows("insert_starts", starts, now=tx.now)
            tx.rows("delete_starts", set(starts), now=tx.now)


class Resolve(Job[list[Numbered]]):
    """The outcome of one attempt, with what follows from it. The result has the follow-ups that are new."""

    point = "resolve"

    def __init__(
        self,
        epoch: int,
        number: int,
        claim: Claim,
        outcome: Outcome,
        follow_ups: Sequence[Firing],
        started: float,
        committed: Callable[[Resolve], None],
    ) -> None:
        super().__init__()
        self.epoch = epoch
        self.number = number
        self.claim = claim
        self.outcome = outcome
        self.follow_ups = follow_ups
        self.started = started
        self.result = []
        self.decided = 0.0
        self._committed = committed

    @property
    def not_before(self) -> float:
        """When a firing that is put back is due; 0 if it is not."""
        return max(self.outcome.retry_at, 0.0) if _STATES[self.outcome.kind] == _PUT_BACK else 0.0

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[Resolve]) -> None:
        """Write all outcomes. Raises `StaleClaim` if one of the firings is finished."""
        valid: list[Resolve] = []
        for job in jobs:
            job.error = StaleEpoch(job.epoch, tx.epoch) if job.epoch != tx.epoch else None
            if job.error is None:
                valid.append(job)
        if not valid:
            return
        rows, attempts = [], []
        ended: dict[int, int] = {}
        for job in valid:
            text, state, attempt = outcome_text(job.outcome), _STATES[job.outcome.kind], job.claim.attempt
            finished = state != _PUT_BACK
            released = job.outcome.kind is OutcomeKind.RELEASED
            rows.append((job.number, state, job.not_before, tx.now * finished, attempt, job.started, int(released), text))
            attempts.append((job.number, attempt, job.started, tx.now, text))
            if finished:
                for position in _positions(job.claim.firing):
                    ended[position] = ended.get(position, 0) + 1
        if tx.rows("resolve_firings", rows) != len(rows):
            raise StaleClaim(valid[0].claim.firing.id)
        tx.rows("insert_attempts", attempts)
        # what follows is pinned before what ended is let go: an event both need stays
        for job in valid:
            job.decided = tx.now
            job.result = insert_firings(tx, job.follow_ups)
        tx.unpin(ended)
        if laned := [job.number for job in valid if job.claim.firing.lane and _STATES[job.outcome.kind] != _PUT_BACK]:
            delete_lanes(tx, laned)

    def committed(self) -> None:
        """Let the claims know."""
        self._committed(self)


def _positions(firing: Firing) -> set[int]:
    return {event.position for event in firing.every()}


def end_firing(tx: Transaction, number: int, firing: Firing, state: int, outcome: Outcome) -> bool:
    """End a firing without an attempt; false if it is finished already."""
    if not tx.changed("end_firing", number=number, state=state, now=tx.now, outcome=outcome_text(outcome)):
        return False
    delete_lanes(tx, [number])
    tx.unpin(dict.fromkeys(_positions(firing), 1))
    return True


def cancel_some(tx: Transaction, trigger: int, outcome: Outcome, limit: int) -> tuple[int, list[tuple[int | str, str, str]]]:
    """Cancel up to `limit` firings of a trigger that have not begun. Says how many rows were looked at, and which are damaged
    (number, id, reason): those are left for the caller to set aside."""
    key = next(key for key, number in tx.triggers.items() if number == trigger)
    rows = tx.all("unstarted_page", trigger=trigger, limit=limit)
    counts: dict[int, int] = {}
    numbers: list[int] = []
    damaged: list[tuple[int | str, str, str]] = []
    for number, firing_id, crc, record in rows:
        try:
            firing = firing_from_row(firing_id, key, crc, record)
        except Damaged as reason:
            damaged.append((number, str(firing_id), str(reason)))
            continue
        numbers.append(number)
        for position in _positions(firing):
            counts[position] = counts.get(position, 0) + 1
    tx.run("cancel_firings", {"numbers": rows_text(numbers), "now": tx.now, "outcome": outcome_text(outcome)})
    delete_lanes(tx, numbers)
    tx.unpin(counts)
    return len(numbers), damaged
