"""Deferred rows and the keys of `once`, as the file has them.

A deferred row keeps its event from retention until it is settled or abandoned, so it counts as unfinished work of its namespace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Deferred, Once, Repeat, Trial
from tiphys.bus.sqlite.log import SqliteLog
from tiphys.bus.sqlite.records import deferred_crc, once_key
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text

__all__ = ["Deferring", "delete_deferred", "insert_deferred", "put_once", "put_repeats"]

_STEP: Final = 256
_PAGE_BYTES: Final = 1 << 20
_Aside = tuple[int | str, str, str]


class Deferring:
    """The deferring half of the ledger."""

    def __init__(self, store: Store, log: SqliteLog) -> None:
        self._store, self._log = store, log

    async def counts(self) -> dict[TriggerKey, int]:
        """As `Ledger.deferring`."""

        def look(reader: Reader) -> dict[TriggerKey, int]:
            found: dict[TriggerKey, int] = {}
            after = 0
            while (row := reader.one("deferring_after", after=after)) is not None:
                after, count = row
                found[TriggerKey(*reader.one("trigger", number=after))] = count
            return found

        return await self._store.read(look)

    async def trials(self) -> list[Trial]:
        """As `Ledger.trials`."""

        def begin(tx: Transaction) -> list[Trial]:
            tx.run("forget_trials")
            firsts: list[int] = [-number for number, *_ in tx.all("open_replays", limit=1)]
            after = 0
            while found := tx.all("deferring_after", after=after):
                after = found[0][0]
                firsts.append(tx.value("first_deferred", trigger=after))
            tx.rows("count_starts", firsts)
            return [
                Trial(None if number < 0 else TriggerKey(*key), abs(number), starts, alone)
                for number, starts, alone, *key in tx.all("trials")
            ]

        return await self._store.write(begin)

    async def try_alone(self, number: int, change: int) -> None:
        """As `Ledger.try_alone`; of a replay the negative number."""

        def record(tx: Transaction) -> None:
            tx.run("begin_trial", {"number": number})
            tx.run("try_alone", {"number": number, "change": change})

        await self._store.write(record)

    async def rows(self, key: TriggerKey, limit: int) -> list[tuple[Deferred, Event | None]]:
        """As `Ledger.deferred`."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return []

        def look(reader: Reader) -> tuple[list[Deferred], list[_Aside]]:
            rows: list[Deferred] = []
            damaged: list[_Aside] = []
            size = 0
            for number, position, event_id, at, replay, crc, event_size in reader.all("deferred_of", trigger=trigger, limit=limit):
                row = Deferred(key, event_id, position, at, replay, number)
                if deferred_crc(row) != crc:
                    damaged.append((number, f"{event_id}@{position}", "its checksum disagrees"))
                    continue
                if rows and size + event_size > _PAGE_BYTES:
                    break
                size += event_size
                rows.append(row)
            return rows, damaged

        while True:
            rows, damaged = await self._store.read(look)
            await self._store.set_aside("deferred", damaged)
            if rows or not damaged:
                break
        events = await self._log.events_at([row.position for row in rows])
        return [(row, events.get(row.position)) for row in rows]

    async def abandon(self, key: TriggerKey) -> int:
        """As `Ledger.abandon`, in steps."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return 0

        def step(tx: Transaction) -> int:
            rows = tx.all("abandon_deferred", trigger=trigger, limit=_STEP)
            tx.unpin(Counter(position for (position,) in rows))
            return len(rows)

        abandoned = 0
        while some := await self._store.write(step):
            abandoned += some
        return abandoned

    async def once(self, key: TriggerKey, keys: Collection[str]) -> Mapping[str, Once]:
        """As `Ledger.once`."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None or not keys:
            return {}
        texts = {once_key(text): text for text in keys}
        wanted = rows_text(stored.hex() for stored in texts)
        rows = await self._store.read(lambda reader: reader.all("once_of", trigger=trigger, keys=wanted))
        return {texts[stored]: Once(key, texts[stored], firing, at, until, before) for stored, firing, at, until, before in rows}


def insert_deferred(tx: Transaction, rows: Sequence[Deferred]) -> None:
    """Put rows in place, each under the next number, and keep their events from retention."""
    tx.rows(
        "insert_deferred",
        [(tx.trigger(row.key), row.position, row.event_id, row.at, row.replay, deferred_crc(row)) for row in rows],
    )
    pins: dict[int, tuple[str, int]] = {}
    for row in rows:
        namespace, count = pins.get(row.position, (row.key.namespace, 0))
        pins[row.position] = (namespace, count + 1)
    tx.pin(pins)


def delete_deferred(tx: Transaction, numbers: Iterable[int], given: Counter[int]) -> set[int]:
    """Take rows away, and count in `given` the events that they needed; says which were there."""
    there: set[int] = set()
    for number, position in tx.all("delete_deferred", numbers=rows_text(numbers)):
        there.add(number)
        given[position] += 1
    return there


def put_once(tx: Transaction, once: Sequence[Once]) -> None:
    """Remember keys that have fired."""
    newest = {(tx.trigger(one.trigger), once_key(one.key).hex()): one for one in once}
    tx.rows("put_once", [(*place, one.firing, one.at, one.until, one.before) for place, one in newest.items()])


def put_repeats(tx: Transaction, repeats: Iterable[tuple[int, Repeat]]) -> None:
    """Remember which firing a verdict names: by the position of its event."""
    tx.rows("insert_repeats", [(position, tx.trigger(one.trigger), one.firing) for position, one in repeats])
