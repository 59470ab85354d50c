"""`settle`: all that was decided about a batch of events, in one transaction.

Decisions are folded in memory first, in their order, so that an event that is held and released within one batch never reaches the
file; then each table is written by one statement. The same code puts follow-ups and replays of firings in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.ledger import Decision, Held
from tiphys.bus.sqlite.records import firing_crc, firing_text, held_crc, id_key, pack_verdicts
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.bus.sqlite.writer import Job
from tiphys.errors import StaleEpoch

__all__ = ["Numbered", "Settle", "insert_firings"]

Numbered = tuple[int, Firing]


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


def _settle(tx: Transaction, job: Settle) -> list[Numbered]:
    verdicts: dict[int, bytes] = {}
    revisions: dict[int, int] = {}
    released: set[TriggerKey] = set()
    held: dict[tuple[TriggerKey, str], Held] = {}
    firings: list[Firing] = []
    for decision in job.decisions:
        if decision.replay and not tx.all("settle_replay", number=decision.replay, now=tx.now):
            continue
        if decision.replay:
            tx.unpin({decision.position: 1})
        if decision.verdicts:
            verdicts[decision.position] = verdicts.get(decision.position, b"") + pack_verdicts(decision.verdicts)
            for verdict in decision.verdicts:
                revisions[verdict.revision] = max(revisions.get(verdict.revision, 0), decision.position)
        for key in decision.released:
            released.add(key)
            for place in [place for place in held if place[0] == key]:
                del held[place]
        for one in decision.held:
            held[one.key, one.dependency] = one
        firings.extend(decision.firings)
    if verdicts:
        tx.rows("insert_verdicts", [(position, packed.hex()) for position, packed in verdicts.items()])
        _keep_revisions(tx, revisions)
    if job.marks:
        tx.rows("insert_ids", job.marks)
        tx.tick(tx.settled)
    for key in released:
        release_held(tx, tx.trigger(key), None)
    for one in held.values():
        put_held(tx, one)
    new = insert_firings(tx, firings)
    if job.position > tx.settled:
        tx.run("settle_usage", {"settled": tx.settled, "position": job.position})
        tx.run("set_settled", {"position": job.position})
        tx.settled = job.position
    return new


def _keep_revisions(tx: Transaction, used: dict[int, int]) -> None:
    for revision, position in used.items():
        if revision not in tx.standing:
            tx.run("retire_used", {"revision": revision, "position": position})


def release_held(tx: Transaction, trigger: int, dependency: str | None) -> int:
    """Drop a trigger's held events, or that of one dependency, and give their events back to retention; says how many."""
    counts: dict[int, int] = {}
    gone = 0
    for name, position in tx.all("held_positions_of", trigger=trigger):
        if dependency in (None, name):
            counts[position] = counts.get(position, 0) + 1
            gone += 1
    if gone:
        tx.run("delete_held", {"trigger": trigger, "dependency": dependency})
        tx.unpin(counts)
    return gone


def put_held(tx: Transaction, held: Held) -> None:
    """Hold an event in place of the one that its dependency holds."""
    trigger = tx.trigger(held.key)
    before: int | None = tx.value("held_position", trigger=trigger, dependency=held.dependency)
    tx.run(
        "put_held",
        {
            "trigger": trigger,
            "dependency": held.dependency,
            "digest": held.digest,
            "event_id": held.event_id,
            "position": held.position,
            "crc": held_crc(held),
            "transformed": held.transformed,
        },
    )
    tx.pin({held.position: (held.key.namespace, 1)})
    if before is not None:
        tx.unpin({before: 1})


def insert_firings(tx: Transaction, firings: Sequence[Firing]) -> list[Numbered]:
    """Put firings in place as pending, those whose id is new; keep their events from retention. Says which are new."""
    if not firings:
        return []
    numbered = list(enumerate(firings, tx.firing + 1))
    rows = []
    for number, firing in numbered:
        record = firing_text(firing)
        rows.append((number, firing.id, tx.trigger(firing.key), firing_crc(firing.id, firing.key, record), record))
    tx.firing += len(numbered)
    if tx.rows("insert_firings", rows, now=tx.now) != len(rows):
        numbers = rows_text([number for number, _ in numbered])
        inserted = {number for (number,) in tx.all("inserted_firings", numbers=numbers)}
        numbered = [(number, firing) for number, firing in numbered if number in inserted]
    pins: dict[int, tuple[str, int]] = {}
    seen: list[tuple[int, int]] = []
    for number, firing in numbered:
        for position in {event.position for event in firing.events.values()}:
            seen.append((position, number))
            namespace, count = pins.get(position, (firing.key.namespace, 0))
            pins[position] = (namespace, count + 1)
    if seen:
        tx.rows("insert_firing_events", seen)
        tx.pin(pins)
    return numbered
