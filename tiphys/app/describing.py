"""Records of the journal as the API shows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from sensors.filters.finding import Finding
from tiphys.bus.event import NOT_JSON, Event
from tiphys.bus.firing import Firing, FiringState, Outcome
from tiphys.bus.ledger import EventRecord, FiringRecord

__all__ = ["Waits", "describe_event", "describe_finding", "describe_firing", "for_nothing", "instant"]

Waits = Callable[[Firing], str]


def instant(seconds: float) -> str:
    """Unix seconds as RFC 3339 text with milliseconds; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if seconds else ""


def describe_event(record: EventRecord, *, data: bool = False) -> dict[str, Any]:
    """An event as the API shows it; with `data` its payload too (text where it is not JSON)."""
    event = record.event
    shown: dict[str, Any] = {
        "id": event.id,
        "position": record.position,
        "time": event.time,
        "stored": instant(record.stored),
        "namespace": event.namespace,
        "bus": event.bus,
        "source": event.source,
        "event": event.subject,
        "type": event.type,
        "worldid": event.extensions.get("worldid", ""),
        "size": record.size,
        "decided": record.decided,
        "deciding": ["/".join(key) for key in record.deferred],
        "outcomes": _counts(record),
    }
    if data:
        shown["data"] = _data(event)
    return shown


def _data(event: Event) -> Any:
    """The payload, or its text where that is no JSON, or is nested more deeply than an answer can hold."""
    if event.payload is not NOT_JSON:
        try:
            orjson.dumps([[[[event.payload]]]])  # somewhere below the top of an answer
        except orjson.JSONEncodeError:
            pass
        else:
            return event.payload
    return (event.data or b"").decode(errors="replace")


def _counts(record: EventRecord) -> dict[str, int]:
    counts: dict[str, int] = {}
    for verdict in record.verdicts:
        name = verdict.kind.name.lower()
        counts[name] = counts.get(name, 0) + 1
    return counts


def for_nothing(_: Firing) -> str:
    """Where nobody carries firings out, none waits."""
    return ""


def _waits(record: FiringRecord, waits: Callable[[Firing], str]) -> str:
    """What an unfinished firing waits for, beside its next attempt."""
    if record.not_before <= time.time():
        return waits(record.firing)
    return "" if record.attempts else f"others to join it or to take its place, until {instant(record.not_before)}"


def describe_firing(record: FiringRecord, waits: Waits = for_nothing) -> dict[str, Any]:
    """A firing as the API shows it. `waits` says what one that is due waits for."""
    firing = record.firing
    unfinished = record.state in (FiringState.PENDING, FiringState.STARTED)
    return {
        "id": firing.id,
        "namespace": firing.key.namespace,
        "sensor": firing.key.sensor,
        "trigger": firing.key.trigger,
        "state": record.state.value,
        "events": {name: one.id for name, one in firing.events.items()},
        "more": {name: [one.id for one in earlier] for name, earlier in firing.more.items()},
        "decided": instant(record.decided),
        "ended": instant(record.ended),
        "attempts": record.attempts,
        "next": instant(record.not_before) if unfinished else "",
        "waits": _waits(record, waits) if unfinished else "",
        "target": str(record.target) if record.target else "",
        "replay": firing.replay,
        "dlq": firing.dlq,
        "document": firing.document,
        "parent": firing.parent,
        "actor": record.actor,
        "last": _describe_outcome(record.last),
        "history": [
            {
                "attempt": attempt.number,
                "started": instant(attempt.started),
                "ended": instant(attempt.ended),
                "outcome": _describe_outcome(attempt.outcome),
            }
            for attempt in record.history
        ],
    }


def _describe_outcome(outcome: Outcome | None) -> dict[str, str] | None:
    if outcome is None:
        return None
    return {
        "kind": outcome.kind.value,
        "reason": outcome.reason,
        "message": outcome.message,
        "result": str(outcome.result) if outcome.result else "",
    }


def describe_finding(finding: Finding) -> dict[str, Any]:
    """A finding's tree as JSON."""
    return {
        "asked": finding.asked,
        "judgement": finding.judgement.value,
        "found": finding.found,
        "why": finding.why,
        "children": [describe_finding(child) for child in finding.children],
    }
