"""Firings that gather: completions of a condition that come soon after each other make one (`debounce`, `batch`).

Such a firing stands in the ledger from the first completion on, as any other, only that it is due later: nothing is held in memory, and a
restart changes nothing. As long as nobody has claimed it the next completion with the same key takes its place (`debounce`), or joins it
(`batch`); in the transaction that records the completion. Who claims it closes it first (`close`), so that none joins what is under way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tiphys.bus.firing import Firing, Gather, Outcome, OutcomeKind
from tiphys.bus.sqlite.records import firing_crc, firing_from_row, firing_text, lane_key, outcome_text
from tiphys.bus.sqlite.transaction import Transaction, rows_text

__all__ = ["close", "delete_lanes", "gather", "insert_lanes"]

_CANCELLED: Final = 4


def insert_lanes(tx: Transaction, numbered: Iterable[tuple[int, Firing]]) -> None:
    """Note the keys of new firings, and which of them gather since when. A dead letter's own firing waits for no other."""
    rows = [
        (
            number,
            tx.trigger(firing.key),
            lane_key(firing.lane).hex(),
            int(firing.gather is not None),
            firing.gather.since if firing.gather is not None and firing.gather.since is not None else tx.now,
        )
        for number, firing in numbered
        if (firing.lane or firing.gather is not None) and not firing.dlq
    ]
    if rows:
        tx.rows("insert_lanes", rows)


def delete_lanes(tx: Transaction, numbers: Iterable[int]) -> None:
    """They have ended."""
    tx.run("delete_lanes", {"numbers": rows_text(numbers)})


def close(tx: Transaction, numbers: Iterable[int]) -> None:
    """They gather no more."""
    text = rows_text(numbers)
    tx.run("close_gathering", {"numbers": text})
    tx.run("drop_gathering", {"numbers": text})


def gather(tx: Transaction, number: int, firing: Firing) -> tuple[int, Firing, set[int], set[int]]:
    """Put a firing that gathers in its place, which is a new row of that number (written by the caller), or an older one.

    Returns the number that it has, the firing as it stands there, with when it is due in `gather.due` (0: at once), the positions of events
    that it needs beside what was needed before, and those that are needed no more.
    """
    how = firing.gather
    assert how is not None  # noqa: S101  only those are asked about
    key = lane_key(firing.lane)
    row = tx.all("gathering_in", trigger=tx.trigger(firing.key), lane=key)
    positions = {event.position for event in firing.every()}
    if not row:
        return number, _due(firing, how, tx.now + how.wait), positions, set()
    old_number, gathered, since, old_id, crc, record = row[0]
    old = firing_from_row(old_id, firing.key, crc, record)
    before = {event.position for event in old.every()}
    if how.size:
        if positions <= before:  # it was asked for again and is there
            return old_number, _due(old, how, -1.0), set(), set()
        grown = _joined(old, firing)
        full = gathered + 1 >= how.size
        _grow(tx, old_number, grown, gathered + 1, 0.0 if full else since + how.wait)
        if full:
            close(tx, [old_number])
        return old_number, _due(grown, how, 0.0 if full else since + how.wait), positions - before, set()
    if old_id == firing.id:
        return old_number, _due(old, how, -1.0), set(), set()
    outcome = Outcome(OutcomeKind.CANCELLED, "Debounced", f"another came soon after it: {firing.id}")
    tx.changed("end_firing", number=old_number, state=_CANCELLED, now=tx.now, outcome=outcome_text(outcome))
    delete_lanes(tx, [old_number])
    due = tx.now + how.wait if how.most is None else min(tx.now + how.wait, since + how.most)
    return number, _due(firing, how, due, since), positions, before


def _due(firing: Firing, how: Gather, at: float, since: float | None = None) -> Firing:
    return replace(firing, gather=replace(how, due=at, since=since))


def _grow(tx: Transaction, number: int, firing: Firing, gathered: int, at: float) -> None:
    record = firing_text(firing)
    tx.changed("grow_firing", number=number, crc=firing_crc(firing.id, firing.key, record), record=record, at=at)
    tx.changed("grow_lane", number=number, gathered=gathered)


def _joined(old: Firing, new: Firing) -> Firing:
    """The one that was there with the events of another: the newest of each dependency stands in `events`."""
    events, more = dict(old.events), dict(old.more)
    for name, event in new.events.items():
        earlier = (*more.get(name, ()), *([events[name]] if name in events else []), *new.more.get(name, ()))
        if earlier:
            more[name] = earlier
        events[name] = event
    return replace(old, events=events, more=more, completed_by=new.completed_by)
