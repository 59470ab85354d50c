"""`settle` and `settle_deferred`: all that was decided about some events, in one transaction.

Decisions are folded in memory first, in their order; then each table is written by one statement. The same code puts follow-ups and
replays of firings in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from tiphys.bus.firing import Firing
from tiphys.bus.ledger import Decision, Deferred, Loss, Once, Refusal, Repeat
from tiphys.bus.sqlite.deferring import delete_deferred, insert_deferred, put_once, put_repeats
from tiphys.bus.sqlite.gathering import gather, insert_lanes
from tiphys.bus.sqlite.holding import HeldChanges
from tiphys.bus.sqlite.reasons import put_losses, put_refusals
from tiphys.bus.sqlite.records import firing_crc, firing_text, id_key, pack_verdicts
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.bus.sqlite.writer import Job
from tiphys.errors import StaleEpoch

__all__ = ["Numbered", "Settle", "SettleDeferred", "insert_firings"]

Numbered = tuple[int, Firing]
_NOTHING: Mapping[int, tuple[str, int]] = {}


class Settle(Job[list[Numbered]]):
    """The decisions of one call. The result has the firings that are new, with their numbers."""

    point = "settle"

    def __init__(
        self,
        epoch: int,
        position: int,
        decisions: Sequence[Decision],
        published_here: Callable[[Decision], bool],
        committed: Callable[[Settle], None],
    ) -> None:
        super().__init__()
        self.epoch = epoch
        self.position = position
        self.decisions = decisions
        # what this store's own log has just stored is remembered already: spares a look into the index for each event
        self.marks = [(id_key(d.event_id).hex(), d.position) for d in decisions if not d.replay and not published_here(d)]
        # Nothing outside follows from a decision before `begin`, whose sync covers it; what a power cut takes back is decided again, to
        # the same firing. Of another log's events the position is told to that log.
        self.synced = bool(self.marks)
        self.decided = 0.0
        self._committed = committed

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[Settle]) -> None:
        """Each call on its own: there is one engine, and it settles one batch at a time."""
        for job in jobs:
            if job.epoch != tx.epoch:
                job.error = StaleEpoch(job.epoch, tx.epoch)
            else:
                job.error = None
                job.decided = tx.now
                job.result = _settle(tx, job)

    def committed(self) -> None:
        """Let the claims know."""
        self._committed(self)


class SettleDeferred(Job[list[Numbered]]):
    """The decisions of one call about deferred rows. The result is as that of `Settle`."""

    point = "settle-deferred"

    def __init__(
        self, epoch: int, decided: Sequence[tuple[Deferred, Decision]], committed: Callable[[list[Numbered], float], None]
    ) -> None:
        super().__init__()
        self.epoch = epoch
        self.rows = decided
        self.decided = 0.0
        self._committed = committed

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[SettleDeferred]) -> None:
        """Those of a batch are of different triggers, and share their statements."""
        valid = []
        for job in jobs:
            job.error = StaleEpoch(job.epoch, tx.epoch) if job.epoch != tx.epoch else None
            if job.error is None:
                valid.append(job)
        if not valid:
            return
        given: Counter[int] = Counter()
        there = delete_deferred(tx, [row.number for job in valid for row, _ in job.rows], given)
        new = _write(tx, [decision for job in valid for row, decision in job.rows if row.number in there], given)
        for number, job in enumerate(valid):
            job.decided = tx.now
            job.result = [] if number else new

    def committed(self) -> None:
        """Let the claims know."""
        self._committed(self.result, self.decided)


def _settle(tx: Transaction, job: Settle) -> list[Numbered]:
    given: Counter[int] = Counter()
    decisions: list[Decision] = []
    for decision in job.decisions:
        if decision.replay:
            if not tx.all("settle_replay", number=decision.replay, now=tx.now):
                continue
            given[decision.position] += 1
        decisions.append(decision)
    new = _write(tx, decisions, given)
    if job.marks:
        tx.rows("insert_ids", job.marks)
        tx.tick(tx.settled)
    if job.position > tx.settled:
        tx.run("settle_usage", {"settled": tx.settled, "position": job.position})
        tx.run("set_settled", {"position": job.position})
        tx.settled = job.position
    return new


def _write(tx: Transaction, decisions: Sequence[Decision], given: Counter[int]) -> list[Numbered]:
    """Put decisions into their tables. `given` counts by position what no longer needs an event."""
    verdicts: dict[int, bytes] = {}
    revisions: dict[int, int] = {}
    held = HeldChanges()
    firings: list[Firing] = []
    deferred: list[Deferred] = []
    once: list[Once] = []
    repeats: list[tuple[int, Repeat]] = []
    refusals: list[tuple[int, Refusal]] = []
    losses: list[Loss] = []
    for decision in decisions:
        if decision.verdicts:
            packed, position = pack_verdicts(decision.verdicts), decision.position
            verdicts[position] = verdicts[position] + packed if position in verdicts else packed
            for verdict in decision.verdicts:
                if revisions.get(verdict.revision, 0) < decision.position:
                    revisions[verdict.revision] = decision.position
        if decision.held or decision.dropped or decision.released:
            held.add(decision)
        firings += decision.firings
        deferred += decision.deferred
        once += decision.once
        repeats += [(decision.position, repeat) for repeat in decision.repeats]
        refusals += [(decision.position, refusal) for refusal in decision.refusals]
        losses += decision.losses
    if verdicts:
        tx.rows("insert_verdicts", [(position, packed.hex()) for position, packed in verdicts.items()])
        _keep_revisions(tx, revisions)
    needed = held.write(tx, given)
    if deferred:
        insert_deferred(tx, deferred)
    if once:
        put_once(tx, once)
    if repeats:
        put_repeats(tx, repeats)
    put_refusals(tx, refusals)
    put_losses(tx, losses)
    return _insert_firings(tx, firings, needed, given)


def _keep_revisions(tx: Transaction, used: dict[int, int]) -> None:
    for revision, position in used.items():
        if revision not in tx.standing:
            tx.run("retire_used", {"revision": revision, "position": position})


def insert_firings(tx: Transaction, firings: Sequence[Firing]) -> list[Numbered]:
    """Put firings in place as pending, those whose id is new; keep their events from retention. Says which are new."""
    return _insert_firings(tx, firings, _NOTHING, Counter())


def _insert_firings(
    tx: Transaction, firings: Sequence[Firing], needed: Mapping[int, tuple[str, int]], given: Counter[int]
) -> list[Numbered]:
    """`needed` is kept from retention beside the firings' events, and `given` is given back; what both name cancels out."""
    pins = dict(needed)
    gathering = [firing for firing in firings if firing.gather is not None]
    if gathering:
        firings = [firing for firing in firings if firing.gather is None]
    numbered = list(enumerate(firings, tx.firing + 1))
    if numbered:
        numbered = _insert_rows(tx, numbered)
        insert_lanes(tx, numbered)
        seen: list[tuple[int, int]] = []
        for number, firing in numbered:
            for position in _positions(firing):
                seen.append((position, number))
                _need(pins, position, firing.key.namespace)
        if seen:
            tx.rows("insert_firing_events", seen)
    for firing in gathering:
        numbered.extend(_gather(tx, firing, pins, given))
    for position in given.keys() & pins.keys():
        namespace, count = pins[position]
        both = min(count, given[position])
        given[position] -= both
        pins[position] = (namespace, count - both)
    tx.pin({position: pin for position, pin in pins.items() if pin[1]})
    tx.unpin({position: count for position, count in given.items() if count})
    return numbered


def _positions(firing: Firing) -> Collection[int]:
    """Of its events, each once."""
    if firing.more or len(firing.events) > 1:
        return {event.position for event in firing.every()}
    return [event.position for event in firing.events.values()]


def _need(pins: dict[int, tuple[str, int]], position: int, namespace: str) -> None:
    namespace, count = pins.get(position, (namespace, 0))
    pins[position] = (namespace, count + 1)


def _gather(tx: Transaction, firing: Firing, pins: dict[int, tuple[str, int]], given: Counter[int]) -> list[Numbered]:
    """One that gathers, with the number and the content that it has then; none if nothing is new."""
    if tx.value("firing_exists", id=firing.id):
        return []
    number, placed, needed, let_go = gather(tx, tx.firing + 1, firing)
    assert placed.gather is not None  # noqa: S101  it says when it is due
    if placed.gather.due < 0:
        return []
    if number > tx.firing:
        _insert_rows(tx, [(number, placed)])
        tx.changed("put_off", number=number, at=placed.gather.due)
        insert_lanes(tx, [(number, placed)])
    tx.rows("insert_firing_events", [(position, number) for position in needed])
    for position in needed:
        _need(pins, position, firing.key.namespace)
    given.update(let_go)
    return [(number, placed)]


def _insert_rows(tx: Transaction, numbered: list[Numbered]) -> list[Numbered]:
    rows = []
    for number, firing in numbered:
        record = firing_text(firing)
        rows.append((number, firing.id, tx.trigger(firing.key), firing_crc(firing.id, firing.key, record), record))
    tx.firing += len(numbered)
    if tx.rows("insert_firings", rows, now=tx.now) == len(rows):
        return numbered
    numbers = rows_text([number for number, _ in numbered])
    inserted = {number for (number,) in tx.all("inserted_firings", numbers=numbers)}
    return [(number, firing) for number, firing in numbered if number in inserted]
