"""The events of a firing that is being decided, while it is in no ledger yet."""

from __future__ import annotations

from collections.abc import Mapping

from sensors.making import Making
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing
from tiphys.bus.ledger import Ledger

__all__ = ["events_of"]


async def events_of(ledger: Ledger, firing: Firing, making: Making) -> Mapping[str, Event]:
    """Its events by dependency, transformed, `Events` where there are several of one. Raises `UnknownRecord` if the record of one was
    damaged."""
    if not firing.more and all(seen.position == making.position for seen in firing.events.values()):
        return {name: making.event.transformed(seen.transformed) for name, seen in firing.events.items()}
    return await ledger.events_of(firing)
