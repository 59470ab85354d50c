"""Those who watch: metrics, the demo, and the catalog, fed from the rooms' own observers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from dispatcher.observer import Observer as DispatcherObserver
from dispatcher.program import TriggerProgram
from eventsource.source import Address
from tiphys.app.metrics import Metrics
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, Outcome, OutcomeKind, TriggerKey
from tiphys.bus.ledger import Decision
from tiphys.bus.log import EventLog, Stored
from tiphys.errors import StoreError

__all__ = ["Acting", "Answering", "CountedLog", "Observer"]


class Observer(Protocol):
    """Somebody who watches the way of events, such as the demo. Calls must be quick and must not raise."""

    def published(self, event: Event) -> None:
        """The log has an event."""

    def decided(self, event: Event, decision: Decision) -> None:
        """A decision is durable."""

    def acted(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        """An attempt's outcome is durable."""


class CountedLog(EventLog):
    """The log, with every publish counted and shown."""

    def __init__(self, log: EventLog, metrics: Metrics, observer: Observer | None) -> None:
        self.durability = log.durability
        self._inner, self._metrics, self._observer = log, metrics, observer

    async def publish(self, event: Event) -> int:
        """As `EventLog.publish`."""
        try:
            position = await self._inner.publish(event)
        except StoreError:
            self._metrics.refused(event)
            raise
        self._metrics.published(event)
        if self._observer:
            self._observer.published(event)
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


class Acting(DispatcherObserver):
    """Attempts, for the metrics, the demo and the catalog."""

    def __init__(self, metrics: Metrics, observer: Observer | None) -> None:
        self._metrics, self._observer = metrics, observer
        self.on_unknown_trigger: Callable[[TriggerKey], None] | None = None
        self.on_dead: Callable[[Claim, Outcome], None] | None = None

    def attempted(self, program: TriggerProgram, claim: Claim, outcome: Outcome, seconds: float) -> None:
        """As `dispatcher.observer.Observer.attempted`."""
        if outcome.kind is not OutcomeKind.CANCELLED:
            key = claim.firing.key._replace(trigger=program.name)
            self._metrics.acted(
                key, seconds, succeeded=outcome.kind is OutcomeKind.SUCCEEDED, dead=outcome.kind is OutcomeKind.DEAD
            )
        else:
            self._metrics.unacted(claim.firing.key, outcome.reason)
        if outcome.kind is OutcomeKind.DEAD and self.on_dead:
            self.on_dead(claim, outcome)
        if self._observer:
            self._observer.acted(claim, outcome, seconds)

    def unknown_trigger(self, claim: Claim) -> None:
        """As `dispatcher.observer.Observer.unknown_trigger`."""
        if self.on_unknown_trigger:
            self.on_unknown_trigger(claim.firing.key)


class Answering:
    """Answers of the ingress and what filters of EventSources keep back, for the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def answered(self, address: Address | None, status: int, reason: str, seconds: float, size: int) -> None:
        """As `eventsource.ingress.Observer.answered`."""
        self._metrics.answered(address.eventsource if address else "", address.event if address else "", reason)

    def filtered(self, address: Address, *, failed: bool) -> None:
        """As `eventsource.filter.Observer.filtered`."""
        self._metrics.filtered(address.eventsource, address.event, address.namespace, "failed" if failed else "discarded")
