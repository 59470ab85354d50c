"""Held events in the file: what a settle changes in them, folded in memory first and written by a few statements.

An event that is held and let go within one settle never reaches the file. Each held event keeps its event from retention; who lets one go
gives that back through `given`, where it may cancel out with a firing that needs the same event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Held, Loss
from tiphys.bus.sqlite.reasons import put_losses
from tiphys.bus.sqlite.records import held_crc
from tiphys.bus.sqlite.transaction import Transaction, rows_text

__all__ = ["HeldChanges", "drop_held", "release_held"]

_Place = tuple[str, str, int]
_FILLING: Final = b"\0"


def _place(held: Held) -> _Place:
    return held.join, held.dependency, held.position


class HeldChanges:
    """What the decisions of one settle do to the held events, all of them together."""

    def __init__(self) -> None:
        self._released: set[TriggerKey] = set()
        self._dropped: dict[TriggerKey, dict[_Place, None]] = {}
        self._held: dict[TriggerKey, dict[_Place, Held]] = {}

    def add(self, decision: Decision) -> None:
        """One decision more, after those before it."""
        for key in decision.released:
            self._released.add(key)
            self._held.pop(key, None)
            self._dropped.pop(key, None)
        for one in decision.dropped:
            if self._held.get(one.key, {}).pop(_place(one), None) is None and one.key not in self._released:
                self._dropped.setdefault(one.key, {})[_place(one)] = None
        for one in decision.held:
            self._held.setdefault(one.key, {})[_place(one)] = one

    def write(self, tx: Transaction, given: Counter[int]) -> dict[int, tuple[str, int]]:
        """Apply them; counts in `given` how often each event is needed no longer, and returns what is to be kept from retention."""
        if self._released:
            rows = tx.all("release_held", triggers=rows_text(tx.trigger(key) for key in self._released))
            given.update(position for position, _ in rows)
        held = [one for places in self._held.values() for one in places.values()]
        gone = [(tx.trigger(key), *place) for key, places in self._dropped.items() for place in places]
        # one that is held again at its old place (an event that is decided again) replaces the row
        gone += [(tx.trigger(one.key), *_place(one)) for one in held if one.key not in self._released]
        if gone:
            given.update(position for (position,) in tx.all("drop_held", rows=rows_text(gone)))
        return _put(tx, held)


def _put(tx: Transaction, held: Sequence[Held]) -> dict[int, tuple[str, int]]:
    pins: dict[int, tuple[str, int]] = {}
    rows = []
    parts = [_FILLING]
    offset = 2
    for one in held:
        length = -1 if one.transformed is None else len(one.transformed)
        head = (tx.trigger(one.key), one.join, one.dependency, one.position, one.at, one.digest, one.event_id, held_crc(one))
        rows.append((*head, offset, length))
        if one.transformed:
            parts.append(one.transformed)
            offset += length
        namespace, count = pins.get(one.position, (one.key.namespace, 0))
        pins[one.position] = (namespace, count + 1)
    if rows:
        tx.rows("put_held", rows, data=b"".join(parts))
    return pins


def release_held(tx: Transaction, key: TriggerKey, dependency: str | None, reason: str) -> int:
    """Drop a trigger's held events, or those of one dependency, and give their events back to retention; says how many. Each is a loss
    where there is a reason."""
    trigger = tx.trigger(key)
    if dependency is None:
        rows = tx.all("release_held", triggers=rows_text([trigger]))
    else:
        rows = tx.all("release_held_of", trigger=trigger, dependency=dependency)
    if reason:
        put_losses(tx, [Loss(key, name, position, reason, tx.now) for position, name in rows])
    tx.unpin(Counter(position for position, _ in rows))
    return len(rows)


def drop_held(tx: Transaction, held: Sequence[Held]) -> int:
    """Drop held events one by one; says how many were there."""
    rows = tx.all("drop_held", rows=rows_text((tx.trigger(one.key), *_place(one)) for one in held))
    tx.unpin(Counter(position for (position,) in rows))
    return len(rows)
