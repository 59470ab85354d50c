"""The events of firings: which of them are read, and what a claim gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tiphys.bus.event import Event, Events
from tiphys.bus.firing import Firing
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import rows_text

__all__ = ["Large", "events_from", "positions_of", "too_large"]

_MOST_EARLIER: Final = 16 << 20
Large = dict[str, dict[str, int]]
"""Bytes by firing and dependency."""


async def too_large(store: Store, firings: Sequence[Firing]) -> Large:
    """Which earlier events have too many bytes, all of a dependency together: no firing is to fill the memory."""
    large: Large = {}
    for firing in firings:
        for name, more in firing.more.items():
            stored = await store.read(_bytes_of([seen.position for seen in more if seen.transformed is None]))
            size = stored + sum(len(seen.transformed or b"") for seen in more)
            if size > _MOST_EARLIER:
                large.setdefault(firing.id, {})[name] = size
    return large


def _bytes_of(positions: Sequence[int]) -> Callable[[Reader], int]:
    rows = rows_text(positions)
    return lambda reader: reader.one("bytes_at", positions=rows)[0] or 0


def positions_of(firings: Sequence[Firing], large: Large) -> list[int]:
    """Where the events of firings are, without the earlier ones that are too large."""
    found: dict[int, None] = {}
    for firing in firings:
        found.update((seen.position, None) for seen in firing.events.values())
        for name, more in firing.more.items():
            if name not in large.get(firing.id, ()):
                found.update((seen.position, None) for seen in more)
    return list(found)


def events_from(firing: Firing, there: Mapping[int, Event], large: Large) -> Events:
    """A firing's events out of those at their positions. An earlier one that is not there is left out."""
    beyond = large.get(firing.id, {})
    latest = {name: there[seen.position].transformed(seen.transformed) for name, seen in firing.events.items()}
    earlier = {
        name: tuple(there[seen.position].transformed(seen.transformed) for seen in more if seen.position in there)
        for name, more in firing.more.items()
        if name not in beyond
    }
    return Events(latest, earlier, beyond)
