"""The events of a firing that is being decided, while it is in no ledger yet."""

from __future__ import annotations

from collections.abc import Mapping

from sensors.making import Making
from tiphys.bus.event import Event
from tiphys.bus.firing import DependencyEvent, Firing, TriggerKey
from tiphys.bus.ledger import Held, Ledger

__all__ = ["events_of"]


async def events_of(ledger: Ledger, firing: Firing, making: Making) -> Mapping[str, Event]:
    """Its events by dependency, transformed. Raises `UnknownRecord` if the record of one was damaged."""
    return {name: await _event(ledger, firing.key, name, seen, making) for name, seen in firing.events.items()}


async def _event(ledger: Ledger, key: TriggerKey, name: str, seen: DependencyEvent, making: Making) -> Event:
    if seen.position == making.position:
        return making.event.transformed(seen.transformed)
    return await ledger.held_event(Held(key, name, "", seen.id, seen.position, seen.transformed))
