"""What the cluster's objects say of themselves: conditions in their status and Events about them, kept in line with what runs.

About once a second all entries are looked at, in slices between which the event loop runs, and conditions are made for those that changed:
those that the catalog tells of, those with a source whose health changed, and those whose account may do something else than before. With
many thousands a look takes long, and comes the less often for it. The writers behind it write only what is not there already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from eventsource.health import EntryHealth
from eventsource.room import Room
from tiphys.app.announcing import Announcer
from tiphys.app.catalog import Catalog, Entry, Key
from tiphys.app.conditions import conditions
from tiphys.app.following import Left
from tiphys.app.origins import Condition, StatusWriter
from tiphys.bus.firing import Claim, Outcome

__all__ = ["Reporter"]

_EVERY: Final = 1.0
_OF_ARGOS_BUS: Final = frozenset(("Configured", "Deployed"))
_REST: Final = 50  # times as long as a look took
_SLICE: Final = 50  # entries between two breaths of the event loop


class Reporter:
    """Reports on the entries of the origins `labels`. `account_problem` says why a Sensor of a namespace cannot act as an account
    (empty: it can), `left` which objects are left to argo-events."""

    def __init__(
        self,
        catalog: Catalog,
        room: Room,
        writer: StatusWriter,
        announcer: Announcer,
        labels: Collection[str],
        account_problem: Callable[[str, str], str] = lambda _namespace, _account: "",
        left: Callable[[], Mapping[Key, Left]] = dict,
    ) -> None:
        self._catalog, self._room, self._writer, self._announcer = catalog, room, writer, announcer
        self._labels, self._account_problem, self._left = frozenset(labels), account_problem, left
        self._seen: dict[Key, tuple[Entry, list[EntryHealth], str]] = {}
        self._reported: set[Key] = set()

    def dead(self, claim: Claim, outcome: Outcome) -> None:
        """A firing was given up: an Event on its Sensor, if that is an object of the cluster."""
        firing = claim.firing
        obj = self._catalog.object(("Sensor", firing.key.namespace, firing.key.sensor))
        if obj is not None and obj["metadata"].get("uid"):
            text = f"trigger {firing.key.trigger}: firing {firing.id} was given up: {outcome.message}"
            self._announcer.announce(obj, "Warning", "DeadLetter", text)

    async def run(self) -> None:
        """Report for ever."""
        while True:
            began = time.monotonic()
            await self.look()
            await asyncio.sleep(max(_EVERY, _REST * (time.monotonic() - began)))

    async def look(self) -> None:
        """One look at all that there is."""
        present: set[Key] = set()
        for number, entry in enumerate(self._catalog.snapshot()):
            if entry.origin in self._labels:
                key = entry.key
                present.add(key)
                self._look_at(key)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        left = dict(self._left())
        for key, (generation, why, reason) in left.items():
            self._writer.set_conditions(*key, generation, [Condition("LeftToArgoEvents", "True", reason, why)])
            self._seen.pop(key, None)
        present |= left.keys()
        for gone in self._reported - present:
            self._writer.forget(*gone)
            self._seen.pop(gone, None)
        self._reported = present

    def _look_at(self, key: Key) -> None:
        entry = self._catalog.find(key)
        obj = self._catalog.object(key)
        if entry is None or obj is None:
            return  # gone in the meantime; or only kept, and its origin has yet to tell of it
        kind, namespace, name = key
        health = self._room.health_of(namespace, name) if kind == "EventSource" else []
        problem = self._account_problem(namespace, entry.account) if kind == "Sensor" else ""
        state = (entry, health, problem)
        if self._seen.get(key) != state:
            self._seen[key] = state
            found = conditions(entry, health, problem)
            if kind == "EventBus" and _is_resolved(obj):
                found = [one for one in found if one.type not in _OF_ARGOS_BUS]
            self._writer.set_conditions(*key, entry.generation, found)


def _is_resolved(bus: Mapping[str, Any]) -> bool:
    """Whether argo-events runs an EventBus: its controller writes `status.config` and those conditions, which are its own then."""
    status = bus.get("status")
    return isinstance(status, Mapping) and bool(status.get("config"))
