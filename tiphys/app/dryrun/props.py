"""Parts of the service with what a dry run needs of them: a clock that is set, ids that are the same each time, a room that only answers,
a log that tells what was published, a dispatcher that carries nothing out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from dispatcher.program import TriggerProgram
from dispatcher.queue import Dispatcher
from eventsource.ingress import Ingress
from eventsource.manifest import Entry, EventSource
from eventsource.room import Room
from eventsource.setting import Setting
from eventsource.source import Address, Health
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.identity import event_id
from tiphys.bus.ledger import Ledger
from tiphys.bus.log import EventLog, Stored
from tiphys.schema.secret import Secrets

__all__ = ["Clock", "Endpoints", "Ids", "Programs", "Published"]


class Clock:
    """Unix seconds that stand still until they are set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """What it shows."""
        return self.now

    @property
    def instant(self) -> datetime:
        """The same in UTC."""
        return datetime.fromtimestamp(self.now, UTC)


class Ids:
    """Ids for what the world did not identify: by what came, and how often it came before, so that they are the same each time."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[Address, bytes]] = Counter()

    def of(self, address: Address, data: bytes) -> str:
        """The id of an event that comes now."""
        digest = hashlib.sha256(data).digest()
        self._seen[address, digest] += 1
        return event_id(*address[:3], f"dry run {digest.hex()} {self._seen[address, digest]}")


class _Setting(Setting):
    """What a source gets here: it draws no ids, and the present is the clock's."""

    def __init__(self, ids: Ids, clock: Clock, address: Address, event_type: str, health: Health, secrets: Secrets) -> None:
        super().__init__(address, event_type, health, secrets)
        self._ids, self._clock = ids, clock

    def event(
        self,
        data: bytes,
        *,
        key: str | None = None,
        worldid: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] = {},
    ) -> Event:
        """As `Setting.event`."""
        made = super().event(data, key=key, worldid=worldid, time=time or self._clock.instant, extensions=extensions)
        return made if key is not None else replace(made, id=self._ids.of(self.address, data))


class Endpoints(Room):
    """Answers as an endpoint and does nothing else: nothing is listened to, polled or registered. `known` has all entries."""

    def __init__(self, log: EventLog, ledger: Ledger, secrets: Secrets, ingress: Ingress, ids: Ids, clock: Clock) -> None:
        super().__init__(log, ledger, secrets, ingress, setting=partial(_Setting, ids, clock), runs=False)
        self.known: dict[Address, Entry] = {}

    async def apply(self, manifest: EventSource) -> None:
        """As `Room.apply`."""
        for entry in manifest.entries:
            self.known[Address(manifest.namespace, manifest.name, entry.event, manifest.bus)] = entry
        await super().apply(manifest)


class Programs(Dispatcher):
    """Knows the triggers, in the order of the manifests, and carries nothing out."""

    def __init__(self, ledger: Ledger, epoch: int) -> None:
        super().__init__(ledger, epoch)
        self.known: dict[TriggerKey, TriggerProgram] = {}

    def set_trigger(self, key: TriggerKey, program: TriggerProgram) -> None:
        """As `Dispatcher.set_trigger`."""
        self.known[key] = program


class Published(EventLog):
    """The log, with what was published kept for who asks."""

    def __init__(self, log: EventLog) -> None:
        self.durability, self._inner = log.durability, log
        self.published: list[tuple[int, Event]] = []

    async def publish(self, event: Event) -> int:
        """As `EventLog.publish`."""
        position = await self._inner.publish(event)
        self.published.append((position, event))
        return position

    def read(self) -> AsyncIterator[Sequence[Stored]]:
        """As `EventLog.read`."""
        return self._inner.read()

    async def ack(self, position: int) -> None:
        """As `EventLog.ack`."""
        await self._inner.ack(position)

    async def end(self) -> int:
        """As `EventLog.end`."""
        return await self._inner.end()
