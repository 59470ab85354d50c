"""The ledger's half of the store: each step handed to the part that does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tiphys.bus.event import Event, Events
from tiphys.bus.firing import Claim, Firing, FiringState, Outcome, Target, TriggerKey
from tiphys.bus.ledger import (
    NO_LIMITS,
    Cursor,
    Decision,
    Deferred,
    EventRecord,
    FiringRecord,
    Held,
    Kept,
    Ledger,
    Loss,
    Once,
    Refusal,
    ReplayRequest,
    StoreHealth,
    Suspension,
    Trial,
)
from tiphys.bus.sqlite.claiming import Acting
from tiphys.bus.sqlite.claims import Permits
from tiphys.bus.sqlite.cursors import Cursors
from tiphys.bus.sqlite.deciding import Settle, SettleDeferred
from tiphys.bus.sqlite.deferring import Deferring
from tiphys.bus.sqlite.firing_events import events_from, positions_of, too_large
from tiphys.bus.sqlite.holding import drop_held, release_held
from tiphys.bus.sqlite.journal import Journal
from tiphys.bus.sqlite.log import SqliteLog
from tiphys.bus.sqlite.manifests import Manifests
from tiphys.bus.sqlite.reasons import put_losses, refusals_of
from tiphys.bus.sqlite.records import held_crc, id_key
from tiphys.bus.sqlite.replays import Replays
from tiphys.bus.sqlite.retention import retain
from tiphys.bus.sqlite.store import Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.errors import UnknownRecord

__all__ = ["SqliteLedger"]


class SqliteLedger(Ledger):
    """The ledger in the data folder. `seen` costs nothing for events that this store's log has just stored: their ids were entered
    with them, and it is known which were new."""

    def __init__(self, store: Store, log: SqliteLog) -> None:
        self._store = store
        self._log = log
        self._acting = Acting(store, log)
        self._deferring = Deferring(store, log)
        self._journal = Journal(store)
        self._cursors = Cursors(store)
        self._manifests = Manifests(store)
        self._replays = Replays(store, log, self._journal, self._acting)

    async def load(self) -> None:
        """Find out which triggers have unfinished firings; called once, at opening."""
        await self._acting.load()

    async def open_epoch(self) -> int:
        """As `Ledger.open_epoch`."""

        def rise(tx: Transaction) -> int:
            epoch: int = tx.value("raise_epoch")
            tx.epoch = epoch
            return epoch

        epoch = await self._store.write(rise)
        await self._acting.load()
        return epoch

    # -- deciding

    async def seen(self, ids: Sequence[str]) -> set[str]:
        """As `Ledger.seen`."""
        seen: set[str] = set()
        unknown: dict[str, str] = {}
        for event_id in ids:
            first = self._log.recent.first_time(event_id)
            if first is None:
                unknown[id_key(event_id).hex()] = event_id
            elif first <= self._store.settled:
                seen.add(event_id)
        if unknown:
            keys = rows_text(unknown)
            for (key,) in await self._store.read(lambda reader: reader.all("known_ids", ids=keys)):
                seen.add(unknown[key.hex()])
        return seen

    async def settle(self, epoch: int, position: int, decisions: Sequence[Decision]) -> None:
        """As `Ledger.settle`."""
        await self._store.submit(Settle(epoch, position, decisions, self._published_here, self._settled))

    def _published_here(self, decision: Decision) -> bool:
        event = self._log.recent.get(decision.position)
        return event is not None and event.id == decision.event_id

    def _settled(self, job: Settle) -> None:
        if job.position > self._store.settled:
            self._store.settled = job.position
            self._log.recent.settled(job.position)
        self._acting.added(job.result, job.decided)

    async def held(self) -> list[Held]:
        """As `Ledger.held`."""
        found: list[Held] = []
        for number, namespace, sensor, trigger, *row, crc, data, at, join, stored in await self._store.read(
            lambda reader: reader.all("held")
        ):
            dependency, digest, event_id, position = row
            held = Held(TriggerKey(namespace, sensor, trigger), dependency, digest, event_id, position, data, at, join)
            if held_crc(held) == crc:
                found.append(held if at else held._replace(at=stored or 0.0))
            else:
                await self._store.set_aside("held", [(number, f"{event_id}@{position}", "its checksum disagrees")])
        return found

    async def events_of(self, firing: Firing) -> Events:
        """As `Ledger.events_of`."""
        large = await too_large(self._store, [firing])
        there = await self._log.events_at(positions_of([firing], large))
        for seen in firing.events.values():
            if seen.position not in there:
                raise UnknownRecord("event", seen.id)
        return events_from(firing, there, large)

    async def held_event(self, held: Held) -> Event:
        """As `Ledger.held_event`."""
        event = (await self._log.events_at([held.position])).get(held.position)
        if event is None:
            raise UnknownRecord("event", held.event_id)
        return event.transformed(held.transformed)

    async def release(self, key: TriggerKey, dependency: str | None = None, *, reason: str = "") -> int:
        """As `Ledger.release`."""
        return await self._store.write(lambda tx: release_held(tx, key, dependency, reason))

    async def drop(self, held: Sequence[Held], losses: Sequence[Loss] = ()) -> int:
        """As `Ledger.drop`."""

        def drop(tx: Transaction) -> int:
            put_losses(tx, losses)
            return drop_held(tx, held)

        return await self._store.write(drop)

    async def refusals(self, position: int) -> list[Refusal]:
        """As `Ledger.refusals`."""
        return await self._store.read(lambda reader: refusals_of(reader, position))

    async def position(self) -> int:
        """As `Ledger.position`."""
        return self._store.settled

    async def settle_deferred(self, epoch: int, decided: Sequence[tuple[Deferred, Decision]]) -> None:
        """As `Ledger.settle_deferred`."""
        await self._store.submit(SettleDeferred(epoch, decided, self._acting.added))

    async def deferring(self) -> dict[TriggerKey, int]:
        """As `Ledger.deferring`."""
        return await self._deferring.counts()

    async def trials(self) -> list[Trial]:
        """As `Ledger.trials`."""
        return await self._deferring.trials()

    async def try_alone(self, number: int, *, replay: bool = False, begun: bool = True) -> None:
        """As `Ledger.try_alone`."""
        await self._deferring.try_alone(-number if replay else number, 1 if begun else -1)

    async def deferred(self, key: TriggerKey, limit: int = 64) -> list[tuple[Deferred, Event | None]]:
        """As `Ledger.deferred`."""
        return await self._deferring.rows(key, limit)

    async def abandon(self, key: TriggerKey) -> int:
        """As `Ledger.abandon`."""
        return await self._deferring.abandon(key)

    async def once(self, key: TriggerKey, keys: Collection[str]) -> Mapping[str, Once]:
        """As `Ledger.once`."""
        return await self._deferring.once(key, keys)

    # -- acting

    async def claim(
        self,
        limit: int,
        *,
        busy: Collection[TriggerKey] = (),
        room: Mapping[TriggerKey, int] = NO_LIMITS,
        in_order: Collection[TriggerKey] = (),
        retried: Collection[TriggerKey] = (),
        wait: float = 0.0,
        lease: float = 60.0,
    ) -> list[Claim]:
        """As `Ledger.claim`."""
        return await self._acting.claim(limit, Permits(busy, room, in_order, retried), wait, lease)

    async def renew(self, claim: Claim, lease: float = 60.0) -> Claim:
        """As `Ledger.renew`."""
        return await self._acting.renew(claim, lease)

    async def begin(self, epoch: int, claim: Claim, target: Target, *, remember: float = 0.0) -> None:
        """As `Ledger.begin`."""
        await self._acting.begin(epoch, claim, target, remember)

    async def begun(self, key: TriggerKey, within: float) -> list[float]:
        """As `Ledger.begun`."""
        return await self._acting.begun(key, within)

    async def resolve(self, epoch: int, claim: Claim, outcome: Outcome, follow_ups: Sequence[Firing] = ()) -> None:
        """As `Ledger.resolve`."""
        await self._acting.resolve(epoch, claim, outcome, follow_ups)

    async def shelve(self, claim: Claim) -> None:
        """As `Ledger.shelve`."""
        self._acting.shelve(claim)

    async def unshelve(self, key: TriggerKey, lane: str | None = None, count: int = 1) -> int:
        """As `Ledger.unshelve`."""
        return await self._acting.unshelve(key, lane, count)

    async def hasten(self, key: TriggerKey) -> int:
        """As `Ledger.hasten`."""
        return await self._acting.hasten(key)

    async def cancel(self, key: TriggerKey, reason: str) -> int:
        """As `Ledger.cancel`."""
        return await self._acting.cancel(key, reason)

    async def suspend(self, namespace: str, sensor: str, trigger: str, *, on_resume: str, actor: str) -> Suspension:
        """As `Ledger.suspend`."""
        key = {"namespace": namespace, "sensor": sensor, "trigger": trigger}

        def put(tx: Transaction) -> Suspension:
            tx.changed("put_suspension", **key, on_resume=on_resume, actor=actor, now=tx.now)
            return Suspension(*tx.all("suspension", **key)[0])

        return await self._store.write(put, "suspend")

    async def resume(self, namespace: str, sensor: str, trigger: str) -> bool:
        """As `Ledger.resume`."""

        def delete(tx: Transaction) -> bool:
            return tx.changed("delete_suspension", namespace=namespace, sensor=sensor, trigger=trigger) > 0

        return await self._store.write(delete)

    async def suspensions(self) -> list[Suspension]:
        """As `Ledger.suspensions`."""
        return [Suspension(*row) for row in await self._store.read(lambda reader: reader.all("suspensions"))]

    # -- sources and manifests

    async def cursor(self, key: str) -> Cursor:
        """As `Ledger.cursor`."""
        return await self._cursors.take(key)

    async def keep(self, kind: str, namespace: str, name: str, body: bytes, origin: str) -> Kept:
        """As `Ledger.keep`."""
        return await self._manifests.keep(kind, namespace, name, body, origin)

    async def forget(self, kind: str, namespace: str, name: str) -> None:
        """As `Ledger.forget`."""
        await self._manifests.forget(kind, namespace, name)

    async def kept(self, kind: str | None = None, *, deleted: bool = False) -> list[Kept]:
        """As `Ledger.kept`."""
        return await self._manifests.kept(kind, deleted=deleted)

    async def revision(self, number: int) -> Kept:
        """As `Ledger.revision`."""
        return await self._manifests.revision(number)

    # -- the journal's questions

    async def event(self, event_id: str) -> EventRecord:
        """As `Ledger.event`."""
        return await self._journal.event(event_id)

    async def events(
        self,
        *,
        namespace: str | None = None,
        source: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[EventRecord]:
        """As `Ledger.events`."""
        return await self._journal.events(namespace, source, subject, before, limit)

    async def firing(self, firing_id: str) -> FiringRecord:
        """As `Ledger.firing`."""
        return await self._journal.firing(firing_id)

    async def firings(
        self,
        *,
        namespace: str | None = None,
        sensor: str | None = None,
        trigger: str | None = None,
        event_id: str | None = None,
        states: Collection[FiringState] = (),
        limit: int = 50,
    ) -> list[FiringRecord]:
        """As `Ledger.firings`."""
        return await self._journal.firings(namespace, sensor, trigger, event_id, states, limit)

    async def health(self) -> StoreHealth:
        """As `Ledger.health`."""
        return await self._journal.health()

    # -- once more, and upkeep

    async def replay_event(self, event_id: str, triggers: Sequence[TriggerKey], actor: str) -> int:
        """As `Ledger.replay_event`."""
        return await self._replays.event(event_id, triggers, actor)

    async def reconsider(self, key: TriggerKey, since: float, actor: str) -> int:
        """As `Ledger.reconsider`."""
        return await self._replays.reconsider(key, since, actor)

    async def replays(self, *, wait: float = 0.0) -> list[ReplayRequest]:
        """As `Ledger.replays`."""
        return await self._replays.waiting(wait)

    async def replay_firing(self, firing_id: str, actor: str) -> Firing:
        """As `Ledger.replay_firing`."""
        return await self._replays.firing(firing_id, actor)

    async def retain(self) -> int:
        """As `Ledger.retain`."""
        return await retain(self._store)
