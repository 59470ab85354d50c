"""Why did a sensor not fire? What it listens to and whether that comes, what its triggers wait for, and what became of the last events that
concerned it.

Everything is asked of the running service: the manifests that run, the state of its sources, what its triggers hold now, and the journal.
`findings` is the short of it, the gravest first.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from dispatcher.suspending import Suspended
from eventsource.health import EntryHealth
from sensors import Matcher, SensorProgram
from sensors.program import DependencyProgram, TriggerProgram
from sensors.scripts import Runner
from tiphys.app.catalog import Entry
from tiphys.app.describing import Waits, describe_event, describe_firing, for_nothing, instant
from tiphys.app.explanation import explain_verdict
from tiphys.app.offers import Offers
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import EventRecord, FiringRecord, Held, Ledger, Verdict
from tiphys.errors import SettingsError, UnknownRecord

__all__ = ["Sight", "explain_sensor"]


def _by_nobody(_: TriggerKey) -> Suspended | None:
    return None


@dataclass(frozen=True)
class Sight:
    """What is to be seen of a running service. `suspended` says how a trigger is suspended, if it is."""

    ledger: Ledger
    matcher: Matcher
    entries: Callable[[], Sequence[Entry]]
    sources: Callable[[], Sequence[EntryHealth]]
    scripts: Runner | None = None
    waits: Waits = for_nothing
    suspended: Callable[[TriggerKey], Suspended | None] = _by_nobody
    clock: Callable[[], float] = time.time


async def explain_sensor(sight: Sight, name: str, namespace: str = "", last: int = 10) -> dict[str, Any]:
    """What keeps a sensor from firing, with its `last` events. Without a namespace its name must be the only one.

    Raises `UnknownRecord` if there is none, with the names that come near, and `SettingsError` if there are several.
    """
    entry = _entry(sight, name, namespace)
    program = sight.matcher.index.get(entry.namespace, entry.name)
    shown: dict[str, Any] = {
        "namespace": entry.namespace,
        "sensor": entry.name,
        "origin": entry.origin,
        "running": program is not None,
        "revision": entry.revision,
        "errors": [str(error) for error in entry.errors],
    }
    if program is None:
        findings = [f"it does not run: {error}" for error in shown["errors"]]
        return shown | {"findings": findings, "dependencies": [], "triggers": [], "events": []}
    shown["bus"] = program.bus
    offers = Offers(sight.sources(), sight.entries())
    records = await _records(sight.ledger, program, last)
    dependencies = [await _dependency(sight, program, one, offers) for one in program.dependencies]
    triggers = [await _trigger(sight, one) for one in program.triggers]
    events = [await _event(sight, program, record) for record in records]
    findings = [f"its newest version is refused, and revision {entry.revision} runs: {error}" for error in shown["errors"]]
    findings += [f"dependency {one['dependency']}: {text}" for one in dependencies for text in one["problems"]]
    findings += [f"trigger {one['trigger']}: {one['state']}{_of_last(one['trigger'], events)}" for one in triggers]
    return shown | {"findings": findings, "dependencies": dependencies, "triggers": triggers, "events": events}


def _of_last(trigger: str, events: Sequence[dict[str, Any]]) -> str:
    """What became of the last events at one trigger."""
    mine = [[one["outcome"] for one in event["verdicts"] if one["trigger"] == trigger] for event in events]
    seen = [outcomes for outcomes in mine if outcomes]
    if not seen:
        return ""
    counts = Counter(outcome for outcomes in seen for outcome in outcomes)
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
    return f"; of its last {len(seen)} events: {said}" if len(seen) > 1 else f"; its last event: {said.partition(' ')[2]}"


def _entry(sight: Sight, name: str, namespace: str) -> Entry:
    sensors = [entry for entry in sight.entries() if entry.kind == "Sensor"]
    found = [entry for entry in sensors if entry.name == name and namespace in ("", entry.namespace)]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(sorted(entry.namespace for entry in found))
        raise SettingsError("namespace", f"sensor {name!r} is in several: {places}", "name one with --namespace")
    elsewhere = [f"{entry.namespace}/{name}" for entry in sensors if entry.name == name]
    near = elsewhere or get_close_matches(name, [entry.name for entry in sensors], 3)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"there are {', '.join(sorted(one.name for one in sensors)[:12]) or 'none'}"
    )
    raise UnknownRecord("sensor", name, hint)


async def _records(ledger: Ledger, program: SensorProgram, last: int) -> list[EventRecord]:
    """The newest events that concerned it, newest first."""
    found: dict[int, EventRecord] = {}
    for source, subject in {(one.source, one.event): None for one in program.dependencies}:
        for record in await ledger.events(namespace=program.namespace, source=source, subject=subject, limit=last):
            if record.event.bus == program.bus and record.position > program.since:
                found[record.position] = record
    newest = sorted(found, reverse=True)[:last]
    return [await ledger.event(found[position].event.id) for position in newest]


# -- dependencies


async def _dependency(sight: Sight, program: SensorProgram, dependency: DependencyProgram, offers: Offers) -> dict[str, Any]:
    latest = await sight.ledger.events(namespace=program.namespace, source=dependency.source, subject=dependency.event, limit=1)
    problems = list(offers.problems(program.namespace, program.bus, dependency.source, dependency.event))
    if latest and latest[0].position <= program.since:
        again = f"`tiphys replay {latest[0].event.id}` decides it all the same"
        problems.append(f"its last event came at {instant(latest[0].stored)}, before the sensor was first accepted; {again}")
    elif not latest and not problems:
        others = await sight.ledger.events(namespace=program.namespace, source=dependency.source, limit=1)
        last = f"; the last of {dependency.source} was {others[0].event.subject} at {instant(others[0].stored)}" if others else ""
        state = offers.state(program.namespace, dependency.source, dependency.event)
        problems.append(f"no event of {dependency.source}/{dependency.event} is in the journal; its source {state}{last}")
    return {
        "dependency": dependency.name,
        "eventSource": dependency.source,
        "event": dependency.event,
        "last": describe_event(latest[0]) if latest else None,
        "problems": problems,
    }


# -- triggers


async def _trigger(sight: Sight, trigger: TriggerProgram) -> dict[str, Any]:
    key, now = trigger.key, sight.clock()
    held = sight.matcher.held_events(key)
    firings = await sight.ledger.firings(namespace=key.namespace, sensor=key.sensor, trigger=key.trigger, limit=1)
    deferred, suspended = sight.matcher.waiting().get(key, (0, 0))[1], sight.suspended(key)
    groups = [_group(trigger, join, mine, now) for join, mine in _by_join(held).items()]
    if not groups and trigger.gate.holds and trigger.correlate is None:
        groups = [_group(trigger, "", (), now)]
    return {
        "trigger": key.trigger,
        "conditions": trigger.condition.text,
        "state": _state(trigger, groups, firings, deferred, suspended),
        "suspended": suspended.why if suspended else "",
        "held": groups,
        "deferred": deferred,
        "reset": _next_reset(trigger, now) if trigger.gate.holds else "",
        "last": describe_firing(firings[0], sight.waits) if firings else None,
    }


def _by_join(held: Sequence[Held]) -> dict[str, list[Held]]:
    groups: dict[str, list[Held]] = {}
    for one in held:
        groups.setdefault(one.join, []).append(one)
    return groups


def _group(trigger: TriggerProgram, join: str, held: Sequence[Held], now: float) -> dict[str, Any]:
    """What is held for one value of `correlate`, and what is missing."""
    condition, within = trigger.condition, trigger.gate.within
    names = [one.dependency for one in held]
    return {
        "join": join,
        "events": [
            {
                "dependency": one.dependency,
                "event": one.event_id,
                "arrived": instant(one.at),
                "until": instant(one.at + within) if within is not None else "",
            }
            for one in held
        ],
        "missing": list(condition.missing(set(names))),
        "completes": [name for name in condition.names if condition.evaluate([*names, name])],
        "counts": [f"count({one.name}) is {names.count(one.name)}" for one in condition.counts],
    }


def _next_reset(trigger: TriggerProgram, now: float) -> str:
    at = trigger.reset.until(now) if trigger.reset is not None else math.inf
    return "" if at == math.inf else instant(at)


def _state(
    trigger: TriggerProgram,
    groups: Sequence[dict[str, Any]],
    firings: Sequence[FiringRecord],
    deferred: int,
    suspended: Suspended | None,
) -> str:
    """In one sentence: when it fired last, and what it waits for."""
    parts = [f"{suspended.why}, onResume: {suspended.on_resume}, so what it fires is not carried out"] if suspended else []
    if firings:
        newest = firings[0]
        parts.append(f"fired last at {instant(newest.decided)} ({newest.firing.id}, {newest.state.value})")
    else:
        parts.append("has not fired yet, as far as the journal goes back")
    if deferred:
        parts.append(f"has still to decide {deferred} event{'s' if deferred > 1 else ''}")
    if not trigger.gate.holds:
        parts.append(f"each event of {' or '.join(trigger.condition.names)} that passes fires it")
    elif not groups:
        parts.append("holds nothing")
    elif len(groups) == 1:
        parts.append(_waits_for(groups[0]))
    else:
        parts.append(f"holds events for {len(groups)} values of correlate")
    return "; ".join(parts)


def _waits_for(group: dict[str, Any]) -> str:
    held = ", ".join(dict.fromkeys(one["dependency"] for one in group["events"])) or "nothing"
    if group["completes"]:
        return f"holds {held}; the next event of {' or '.join(group['completes'])} fires it"
    counts = f" ({', '.join(group['counts'])})" if group["counts"] else ""
    return f"holds {held}, and waits for {', '.join(group['missing']) or 'more'}{counts}"


# -- events


async def _event(sight: Sight, program: SensorProgram, record: EventRecord) -> dict[str, Any]:
    ledger = sight.ledger
    shown = describe_event(record)
    firings = await ledger.firings(event_id=record.event.id, limit=200)
    mine = [one for one in firings if (one.firing.key.namespace, one.firing.key.sensor) == (program.namespace, program.name)]
    shown["verdicts"] = [
        await explain_verdict(ledger, record, verdict, mine, sight.scripts, sight.matcher.held_events)
        for verdict in record.verdicts
        if await _is_of(ledger, verdict, program)
    ]
    shown["firings"] = [describe_firing(one, sight.waits) for one in mine]
    shown["why"] = _why(record, program, shown["verdicts"])
    return shown


async def _is_of(ledger: Ledger, verdict: Verdict, program: SensorProgram) -> bool:
    if verdict.revision == program.revision:
        return True
    try:
        kept = await ledger.revision(verdict.revision)
    except UnknownRecord:
        return False
    return (kept.namespace, kept.name) == (program.namespace, program.name)


def _why(record: EventRecord, program: SensorProgram, verdicts: Sequence[dict[str, Any]]) -> str:
    if verdicts:
        return ""
    if not record.settled:
        return "it is not decided yet"
    mine = [key.trigger for key in record.deferred if (key.namespace, key.sensor) == (program.namespace, program.name)]
    return f"it is being decided by {', '.join(mine)}" if mine else "none of its triggers has this dependency in its conditions"
