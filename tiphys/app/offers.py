"""What the EventSources offer, and what comes near to what a sensor asks for: names with a slip of the pen, other namespaces and buses,
sources that are refused or ill. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from eventsource.health import EntryHealth
from tiphys.app.catalog import Entry

__all__ = ["Offers"]

_SHOWN = 8


class Offers:
    """The events that running EventSources offer, and the manifests of all EventSources."""

    def __init__(self, running: Sequence[EntryHealth], entries: Sequence[Entry]) -> None:
        self._running = running
        self._entries = [entry for entry in entries if entry.kind == "EventSource"]

    def state(self, namespace: str, source: str, event: str) -> str:
        """How the source of an event is, in a few words."""
        for one in self._running:
            if (one.address.namespace, one.address.eventsource, one.address.event) == (namespace, source, event):
                return {"well": "is well", "starting": "is starting", "ill": "is not well"}[one.state]
        return "does not run"

    def problems(self, namespace: str, bus: str, source: str, event: str) -> Iterator[str]:
        """Why no event of that name would come now; nothing if its source is well."""
        same = [one for one in self._running if (one.address.namespace, one.address.eventsource) == (namespace, source)]
        mine = [one for one in same if one.address.event == event]
        yield from self._refused(namespace, source, bool(same))
        if not same:
            if not any((entry.namespace, entry.name) == (namespace, source) for entry in self._entries):
                yield f"there is no EventSource {source!r} in namespace {namespace}{self._near_source(namespace, source, event)}"
        elif not mine:
            near = _near(event, sorted({one.address.event for one in same}), "its events are")
            yield f"EventSource {source} has no event {event!r}{near}"
        for one in mine:
            if one.address.bus != bus:
                both = f"on event bus {one.address.bus}, and the sensor on {bus}"
                yield f"EventSource {source} is {both}; write the same eventBusName in both"
            if one.state == "ill":
                yield f"EventSource {source} is not well: {one.problem}"
            if one.filtered is not None and (number := one.filtered.discarded + one.filtered.failed):
                yield f"the EventSource's own filter has kept back {number}, the last: {one.filtered.verdict}"

    def _refused(self, namespace: str, source: str, runs: bool) -> Iterator[str]:
        for entry in self._entries:
            if (entry.namespace, entry.name) == (namespace, source) and entry.errors:
                what = "the newest version of EventSource" if runs else "EventSource"
                yield f"{what} {source} is refused: {'; '.join(map(str, entry.errors))}"

    def _near_source(self, namespace: str, source: str, event: str) -> str:
        elsewhere = sorted({entry.namespace for entry in self._entries if entry.name == source} - {namespace})
        if elsewhere:
            return f"; there is one in {', '.join(elsewhere)}, and a sensor sees only those of its own namespace"
        names = sorted({entry.name for entry in self._entries if entry.namespace == namespace})
        near = get_close_matches(source, names, 3)
        if not near:
            offering = sorted({one.address.eventsource for one in self._running if one.address.event == event})
            if offering:
                return f"; {', '.join(offering[:_SHOWN])} has an event {event!r}"
        return _near(source, names, "there are")


def _near(word: str, words: Sequence[str], lead: str) -> str:
    near = get_close_matches(word, words, 3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"; {lead} {', '.join(words[:_SHOWN])}{more}" if words else ""
