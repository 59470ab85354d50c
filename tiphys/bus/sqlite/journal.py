"""The journal's questions, each answered from an index: what arrived, what was decided, what was done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from tiphys.bus.firing import Attempt, FiringState, TriggerKey
from tiphys.bus.ledger import EventRecord, FiringRecord, Repeat, StoreHealth
from tiphys.bus.sqlite.reasons import losses_of, refusals_of
from tiphys.bus.sqlite.records import (
    Damaged,
    event_from_row,
    firing_from_row,
    id_range,
    outcome_from_text,
    target_from_text,
    unpack_verdicts,
)
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import rows_text
from tiphys.errors import UnknownRecord

__all__ = ["STATES", "Journal"]

STATES: Final = (FiringState.PENDING, FiringState.STARTED, FiringState.SUCCEEDED, FiringState.DEAD, FiringState.CANCELLED)
_NEWEST: Final = 2**62
T = TypeVar("T")


class Journal:
    """Reads only. A damaged record is left out of an answer; who works with it sets it aside."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _position(self, reader: Reader, event_id: str) -> int:
        found: set[int] = set()
        for low, high in id_range(event_id):
            found |= {position for (position,) in reader.all("positions_of_ids", low=low, high=high)}
        if len(found) != 1 or not event_id:
            raise UnknownRecord("event", event_id)
        return found.pop()

    async def event(self, event_id: str) -> EventRecord:
        """As `Ledger.event`."""

        def look(reader: Reader, settled: int) -> EventRecord:
            position = self._position(reader, event_id)
            rows = reader.all("events_at", positions=rows_text([position]))
            if not rows:
                raise UnknownRecord("event", event_id)
            (packed,) = reader.one("verdicts_at", position=position) or (None,)
            try:
                found = self._event(reader, (*rows[0], packed), settled, check=True)
            except Damaged as error:
                raise UnknownRecord("event", event_id) from error
            repeats = tuple(Repeat(TriggerKey(*key), firing) for *key, firing in reader.all("repeats_of", position=position))
            refusals, losses = tuple(refusals_of(reader, position)), tuple(losses_of(reader, position))
            return replace(_with_deferred(reader, [found])[0], repeats=repeats, refusals=refusals, losses=losses)

        return await self._read(look)

    async def events(
        self, namespace: str | None, source: str | None, subject: str | None, before: int | None, limit: int
    ) -> list[EventRecord]:
        """As `Ledger.events`."""
        newest = _NEWEST if before is None else before

        def look(reader: Reader, settled: int) -> list[EventRecord]:
            if namespace is source is subject is None:
                rows = reader.all("newest_events", before=newest, limit=limit)
            else:
                origins = [number for (number,) in reader.all("origins_of", namespace=namespace, source=source, subject=subject)]
                rows = reader.all("newest_events_of", origins=rows_text(origins), before=newest, limit=limit)
            found: list[EventRecord] = []
            for row in rows:
                try:
                    found.append(self._event(reader, row, settled, check=False))
                except Damaged:
                    continue
            return _with_deferred(reader, found)

        return await self._read(look)

    async def _read(self, look: Callable[[Reader, int], T]) -> T:
        """Ask with the position up to which all is settled. It is taken before the file is looked at, and the file is seen at one instant:
        what counts as decided has its verdicts."""

        def read(reader: Reader) -> T:
            settled = self._store.settled
            with reader.snapshot():
                return look(reader, settled)

        return await self._store.read(read)

    def _event(self, reader: Reader, row: Sequence[Any], settled: int, *, check: bool) -> EventRecord:
        position, stored, _id, origin, size, _crc, _time, _attributes, _data, packed = row
        origins = self._store.known_origins(reader, {origin})
        event = event_from_row(row[:9], origins, check=check)
        return EventRecord(position, stored, event, position <= settled, unpack_verdicts(packed), size)

    async def firing(self, firing_id: str) -> FiringRecord:
        """As `Ledger.firing`; a unique prefix of the id will do here as well."""

        def look(reader: Reader) -> FiringRecord:
            end = firing_id + "\uffff"
            rows = reader.all("firing_numbers_like", prefix=firing_id, end=end) if firing_id else []
            if len(rows) != 1:
                raise UnknownRecord("firing", firing_id)
            found = self._firings(reader, [rows[0][0]], history=True)
            if not found:
                raise UnknownRecord("firing", firing_id)
            return found[0]

        return await self._store.read(look)

    async def firings(
        self,
        namespace: str | None,
        sensor: str | None,
        trigger: str | None,
        event_id: str | None,
        states: Collection[FiringState],
        limit: int,
    ) -> list[FiringRecord]:
        """As `Ledger.firings`."""
        numbers_of = {state: number for number, state in enumerate(STATES)}
        wanted = sorted(numbers_of[state] for state in states) or list(range(len(STATES)))
        some_triggers = not namespace is sensor is trigger is None

        def look(reader: Reader) -> list[FiringRecord]:
            picked = rows_text(wanted)
            if event_id is not None:
                rows = reader.all("firings_of_event", position=self._position(reader, event_id), limit=-1)
            elif some_triggers:
                triggers = [row[0] for row in reader.all("triggers_of", namespace=namespace, sensor=sensor, trigger=trigger)]
                rows = reader.all("newest_firings_of", triggers=rows_text(triggers), states=picked, limit=limit)
            elif len(wanted) == len(STATES):
                rows = reader.all("newest_firings", limit=limit)
            elif numbers_of[FiringState.SUCCEEDED] in wanted:
                rows = reader.all("newest_firings_with_states", states=picked, limit=limit)
            else:
                rows = reader.all("newest_firings_in_states", states=picked, limit=limit)
            found = self._firings(reader, [number for (number,) in rows], history=False)
            if event_id is not None:
                key = (namespace, sensor, trigger)
                found = [
                    one
                    for one in found
                    if numbers_of[one.state] in wanted
                    and all(asked in (None, has) for asked, has in zip(key, one.firing.key, strict=True))
                ]
            return found[:limit]

        return await self._store.read(look)

    def _firings(self, reader: Reader, numbers: Sequence[int], *, history: bool) -> list[FiringRecord]:
        found: dict[int, FiringRecord] = {}
        for row in reader.all("firings_by_number", numbers=rows_text(numbers)):
            (
                number,
                firing_id,
                namespace,
                sensor,
                trigger,
                state,
                decided,
                not_before,
                attempts,
                _,
                ended,
                crc,
                record,
                target,
                last,
            ) = row
            try:
                firing = firing_from_row(firing_id, TriggerKey(namespace, sensor, trigger), crc, record)
                (actor,) = (reader.one("actor_of_replay", number=firing.replay) if firing.replay else None) or ("",)
                found[number] = FiringRecord(
                    firing=firing,
                    state=STATES[state],
                    decided=decided,
                    attempts=attempts,
                    not_before=not_before,
                    ended=ended,
                    target=target_from_text(target),
                    last=outcome_from_text(last),
                    history=_history(reader, number) if history else (),
                    actor=actor,
                )
            except Damaged:
                continue
        return [found[number] for number in numbers if number in found]

    async def health(self) -> StoreHealth:
        """As `Ledger.health`."""
        damaged, events, oldest, size = await self._store.read(lambda reader: reader.one("health"))
        writer = self._store.writer
        reason = str(writer.broken) if writer.broken is not None else writer.refusing
        return StoreHealth(not reason, reason, damaged, size, events, oldest or 0.0)


def _with_deferred(reader: Reader, records: list[EventRecord]) -> list[EventRecord]:
    deciding: dict[int, list[TriggerKey]] = {}
    for position, *key in reader.all("deciding_at", positions=rows_text(record.position for record in records)):
        deciding.setdefault(position, []).append(TriggerKey(*key))
    if not deciding:
        return records
    return [replace(record, deferred=tuple(deciding.get(record.position, ()))) for record in records]


def _history(reader: Reader, number: int) -> tuple[Attempt, ...]:
    attempts: list[Attempt] = []
    for attempt, started, ended, text in reader.all("attempts_of", firing=number):
        try:
            if (outcome := outcome_from_text(text)) is not None:
                attempts.append(Attempt(attempt, started, ended, outcome))
        except Damaged:
            continue
    return tuple(attempts)
