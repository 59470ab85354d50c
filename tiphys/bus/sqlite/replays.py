"""Once more: requests to decide an event again, and firings made anew. Each gets its number before anything else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import orjson

from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.identity import firing_id as derive
from tiphys.bus.ledger import ReplayRequest
from tiphys.bus.sqlite.claiming import Acting
from tiphys.bus.sqlite.deciding import insert_firings
from tiphys.bus.sqlite.journal import Journal
from tiphys.bus.sqlite.log import SqliteLog
from tiphys.bus.sqlite.store import Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.errors import UnknownRecord

__all__ = ["Replays"]

_PAGE: Final = 64


class Replays:
    """The replays of the ledger."""

    def __init__(self, store: Store, log: SqliteLog, journal: Journal, acting: Acting) -> None:
        self._store = store
        self._log = log
        self._journal = journal
        self._acting = acting
        self._wake = asyncio.Event()

    async def event(self, event_id: str, triggers: Sequence[TriggerKey], actor: str) -> int:
        """As `Ledger.replay_event`. The event is kept until the request is settled."""
        record = await self._journal.event(event_id)

        def ask(tx: Transaction) -> int:
            if not tx.value("event_exists", position=record.position):
                raise UnknownRecord("event", event_id)
            return _ask(tx, record.position, record.event.namespace, triggers, actor)

        number = await self._store.write(ask)
        self._wake.set()
        return number

    async def reconsider(self, key: TriggerKey, since: float, actor: str) -> int:
        """As `Ledger.reconsider`, in steps."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return 0

        def step(tx: Transaction) -> int:
            positions = [position for (position,) in tx.all("healing_refusals", trigger=trigger, since=since, limit=_PAGE)]
            if positions:
                tx.run("close_refusals", {"trigger": trigger, "positions": rows_text(positions)})
            for position in positions:
                _ask(tx, position, key.namespace, [key], actor)
            return len(positions)

        asked = 0
        while some := await self._store.write(step):
            asked += some
        if asked:
            self._wake.set()
        return asked

    async def waiting(self, wait: float) -> list[ReplayRequest]:
        """As `Ledger.replays`. A request whose event is damaged is closed."""
        self._wake.clear()
        rows = await self._store.read(lambda reader: reader.all("open_replays", limit=_PAGE))
        if not rows and wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                return []
            rows = await self._store.read(lambda reader: reader.all("open_replays", limit=_PAGE))
        events = await self._log.events_at([row[1] for row in rows])
        requests: list[ReplayRequest] = []
        for number, position, triggers, actor in rows:
            if (event := events.get(position)) is None:
                await self._close(number, position)
                continue
            keys = tuple(TriggerKey(*key) for key in orjson.loads(triggers))
            requests.append(ReplayRequest(number, position, event, keys, actor))
        return requests

    async def _close(self, number: int, position: int) -> None:
        def close(tx: Transaction) -> None:
            if tx.all("settle_replay", number=number, now=tx.now):
                tx.unpin({position: 1})

        await self._store.write(close)

    async def firing(self, firing_id: str, actor: str) -> Firing:
        """As `Ledger.replay_firing`. Raises `UnknownRecord` as well if one of its events is gone."""
        old = (await self._journal.firing(firing_id)).firing
        there = await self._log.events_at([seen.position for seen in old.events.values()])
        for seen in old.events.values():
            if seen.position not in there:
                raise UnknownRecord("event", seen.id)

        def make(tx: Transaction) -> tuple[int, Firing, float]:
            for seen in old.events.values():
                if not tx.value("event_exists", position=seen.position):
                    raise UnknownRecord("event", seen.id)
            number: int = tx.value("next_replay")
            ids = {name: seen.id for name, seen in old.events.items()}
            new_id = derive(*old.key, ids, replay=number, dlq=old.dlq, document=old.document)
            firing = replace(old, id=new_id, replay=number, parent=old.id)
            tx.run(
                "insert_replay",
                {
                    "number": number,
                    "position": 0,
                    "firing": new_id,
                    "triggers": "[]",
                    "actor": actor,
                    "now": tx.now,
                    "settled": tx.now,
                },
            )
            ((row, _),) = insert_firings(tx, [firing])
            return row, firing, tx.now

        row, firing, decided = await self._store.write(make)
        self._acting.added([(row, firing)], decided)
        return firing


def _ask(tx: Transaction, position: int, namespace: str, triggers: Sequence[TriggerKey], actor: str) -> int:
    """A request to decide an event again; it is kept until that is settled."""
    number: int = tx.value("next_replay")
    tx.run(
        "insert_replay",
        {
            "number": number,
            "position": position,
            "firing": "",
            "triggers": orjson.dumps([list(key) for key in triggers]).decode(),
            "actor": actor,
            "now": tx.now,
            "settled": 0,
        },
    )
    tx.pin({position: (namespace, 1)})
    return number
