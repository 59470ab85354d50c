"""What the cluster's objects say of themselves: conditions in their status and Events about them, kept in line with what runs.

Once a second the entries that changed are looked at, and no others: those that the catalog tells of, those with a source whose health
changed, and those whose account may do something else than before. The writers behind it write only what is not there already.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
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
        self._dirty: set[Key] = set()
        self._health: Mapping[tuple[str, str], tuple[EntryHealth, ...]] = {}
        self._problems: dict[Key, str] = {}
        self._reported: set[Key] = set()

    def changed(self, entry: Entry) -> None:
        """The catalog has a new version, or a new verdict on one."""
        self._dirty.add((entry.kind, entry.namespace, entry.name))

    def dead(self, claim: Claim, outcome: Outcome) -> None:
        """A firing was given up: an Event on its Sensor, if that is an object of the cluster."""
        firing = claim.firing
        obj = self._catalog.object(("Sensor", firing.key.namespace, firing.key.sensor))
        if obj is not None and obj["metadata"].get("uid"):
            text = f"trigger {firing.key.trigger}: firing {firing.id} was given up: {outcome.message}"
            self._announcer.announce(obj, "Warning", "DeadLetter", text)

    async def run(self) -> None:
        """Report for ever."""
        self._dirty.update((entry.kind, entry.namespace, entry.name) for entry in self._catalog.entries)
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """One look at what changed."""
        self._note_health()
        present = {entry.key: entry for entry in self._catalog.entries if entry.origin in self._labels}
        self._note_problems(present)
        left = self._left()
        for key, (generation, why) in left.items():
            self._writer.set_conditions(*key, generation, [Condition("LeftToArgoEvents", "True", "ArgoEventsRuns", why)])
        for gone in self._reported - present.keys() - left.keys():
            self._writer.forget(*gone)
            self._problems.pop(gone, None)
        self._reported = present.keys() | left.keys()
        dirty, self._dirty = self._dirty, set()
        for number, key in enumerate(sorted(dirty)):
            entry = present.get(key)
            if entry is not None and self._catalog.object(key) is not None:  # what is only kept, its origin has yet to tell of
                health = self._health.get(key[1:], ()) if entry.kind == "EventSource" else ()
                found = conditions(entry, health, self._problems.get(key, ""))
                if entry.kind == "EventBus" and _is_resolved(self._catalog.object(key)):
                    found = [one for one in found if one.type not in _OF_ARGOS_BUS]
                self._writer.set_conditions(*key, entry.generation, found)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)

    def _note_health(self) -> None:
        found: dict[tuple[str, str], list[EntryHealth]] = defaultdict(list)
        for one in self._room.health():
            found[one.address.namespace, one.address.eventsource].append(one)
        health = {owner: tuple(entries) for owner, entries in found.items()}
        for owner in health.keys() | self._health.keys():
            if health.get(owner) != self._health.get(owner):
                self._dirty.add(("EventSource", *owner))
        self._health = health

    def _note_problems(self, present: Mapping[Key, Entry]) -> None:
        for key, entry in present.items():
            if entry.kind == "Sensor":
                problem = self._account_problem(entry.namespace, entry.account)
                if problem != self._problems.get(key, ""):
                    self._problems[key] = problem
                    self._dirty.add(key)


def _is_resolved(bus: dict[str, Any] | None) -> bool:
    """Whether argo-events runs an EventBus: its controller writes `status.config` and those conditions, which are its own then."""
    status = (bus or {}).get("status")
    return isinstance(status, dict) and bool(status.get("config"))
