"""Removing what is old, in small steps.

What can go is found by a reader; the writer gets a few hundred positions at a time and looks once more, within its transaction, that
nothing unfinished needs them. Between two steps others have their turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tiphys.bus.firing import TriggerKey
from tiphys.bus.sqlite.records import Damaged, firing_from_row
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text

__all__ = ["retain"]

_STEP: Final = 256


async def retain(store: Store) -> int:
    """As `Ledger.retain`."""
    now, settings = store.clock(), store.settings
    removed = await _remove_events(store, now - settings.retention_age, settings.retention_bytes)
    await _remove_firings(store, now - settings.firing_age)
    await _remove_once(store, now)
    await _remove_ids(store, now - settings.dedupe_age, settings.dedupe_ids)
    await _remove_manifests(store, now)
    return removed


async def _position_at(store: Store, instant: float) -> int:
    """Everything up to this position was stored before the minute of that instant."""
    row = await store.read(lambda reader: reader.one("position_at", minute=int(instant // 60)))
    return int(row[0]) if row is not None else max(store.end, store.settled)


async def _remove_events(store: Store, before: float, most_bytes: int) -> int:
    """By age first; then the oldest until the bytes are within bounds."""
    by_age = await _position_at(store, before)
    usage = await store.write(lambda tx: tx.all("usage"))
    excess = sum(row[2] for row in usage) - most_bytes
    after = removed = 0
    while True:
        upto = store.settled if excess > 0 else min(by_age, store.settled)
        page: list[tuple[int, int]] = await store.read(_removable(after, upto))
        if not page:
            break
        positions: list[int] = []
        for position, size in page:
            if position > by_age and excess <= 0:
                break
            positions.append(position)
            excess -= size
        after = page[-1][0]
        if positions:
            removed += await store.write(_remove(positions))
    after = 0
    while True:
        # verdicts of events that another log has
        alone = await store.read(_alone(after, min(by_age, store.settled)))
        if not alone:
            return removed
        after = alone[-1]
        await store.write(_remove(alone))


def _removable(after: int, upto: int) -> Callable[[Reader], list[tuple[int, int]]]:
    return lambda reader: reader.all("oldest_removable", after=after, upto=upto, limit=_STEP)


def _alone(after: int, upto: int) -> Callable[[Reader], list[int]]:
    return lambda reader: [row[0] for row in reader.all("old_verdicts", after=after, upto=upto, limit=_STEP)]


def _remove(positions: list[int]) -> Callable[[Transaction], int]:
    def remove(tx: Transaction) -> int:
        text = rows_text(positions)
        events = tx.changed("remove_events", positions=text)
        tx.run("remove_verdicts", {"positions": text})
        for name in ("remove_repeats", "remove_refusals", "remove_losses"):
            tx.run(name, {"positions": text})
        return events

    return remove


async def _remove_firings(store: Store, before: float) -> None:
    """Firings that ended before an instant, from the oldest; they end in about the order of their numbers."""
    after = 0
    while True:
        page = await store.read(_firings_page(after))
        if not page:
            break
        after = page[-1][0]
        old = [number for number, state, ended, _decided in page if state >= 2 and ended < before]
        if old:
            events = await store.read(_events_of(old))
            await store.write(_remove_firings_of(old, events))
        elif page[-1][3] >= before:
            # decided too recently to have ended before it, and so is all that follows
            break
    await store.write(lambda tx: tx.changed("remove_replays", before=before, limit=_STEP * 16))


def _firings_page(after: int) -> Callable[[Reader], list[tuple[int, int, float, float]]]:
    return lambda reader: reader.all("old_firings", after=after, limit=_STEP)


def _events_of(numbers: list[int]) -> Callable[[Reader], list[tuple[int, int]]]:
    def look(reader: Reader) -> list[tuple[int, int]]:
        pairs: list[tuple[int, int]] = []
        for row in reader.all("firings_by_number", numbers=rows_text(numbers)):
            try:
                firing = firing_from_row(row[1], TriggerKey(row[2], row[3], row[4]), row[11], row[12])
            except Damaged:
                continue
            pairs += [(event.position, row[0]) for event in firing.every()]
        return pairs

    return look


def _remove_firings_of(numbers: list[int], events: list[tuple[int, int]]) -> Callable[[Transaction], None]:
    def remove(tx: Transaction) -> None:
        text = rows_text(numbers)
        tx.rows("remove_firing_events_of", events)
        tx.run("remove_attempts_of", {"numbers": text})
        tx.run("remove_firings", {"numbers": text})

    return remove


async def _remove_once(store: Store, now: float) -> None:
    """Keys of `once` whose time is over, and whose firing is no longer recorded."""

    def step(tx: Transaction) -> int:
        return tx.changed("remove_once", before=now, limit=_STEP)

    while await store.write(step):
        pass


async def _remove_ids(store: Store, before: float, most: int) -> None:
    upto = max(await _position_at(store, before), store.end - most)
    oldest_tick = int(min(before, store.clock() - store.settings.retention_age) // 60)

    def step(tx: Transaction) -> int:
        return tx.changed("remove_ids", upto=min(upto, tx.settled), limit=_STEP * 4)

    while await store.write(step):
        pass
    await store.write(lambda tx: tx.changed("remove_ticks", before=oldest_tick))


async def _remove_manifests(store: Store, now: float) -> None:
    """Revisions that no verdict names any more, and what was deleted as long ago as the oldest firing."""

    def step(tx: Transaction) -> int:
        oldest = min(tx.value("oldest_verdict"), tx.value("oldest_event"), tx.settled + 1)
        return tx.changed("remove_revisions", oldest=oldest, limit=_STEP)

    gone = now - max(store.settings.deletion_grace, store.settings.firing_age)
    await store.write(lambda tx: tx.changed("remove_manifests", before=gone))
    while await store.write(step):
        pass
