"""Why did it fire, and why did it not? The journal's rows turned back into the words of the manifests.

Verdicts are numbers: a revision of a Sensor, indices of its trigger and its dependency, an outcome and a clause. Values are not stored,
so the recorded revision is compiled again and run on the stored event; programs are pure, so what it finds is what was found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from sensors.conditions import NoJoinKey
from sensors.filters.finding import Finding, Judgement
from sensors.manifest import OpaqueTrigger, SensorSpec
from sensors.once import OnceKey
from sensors.program import SensorProgram, TriggerProgram
from sensors.scripts import Program, Runner
from tiphys.bus.event import NOT_JSON, Event
from tiphys.bus.firing import Firing, FiringState, Outcome
from tiphys.bus.ledger import EventRecord, FiringRecord, Kept, Ledger, Verdict, VerdictKind
from tiphys.errors import ScriptsUnavailable, TemplateError, UnknownRecord

__all__ = ["describe_event", "describe_firing", "explain", "explain_record", "for_nothing", "instant"]

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
        "decided": instant(record.decided),
        "ended": instant(record.ended),
        "attempts": record.attempts,
        "next": instant(record.not_before) if unfinished else "",
        "waits": waits(firing) if unfinished and record.not_before <= time.time() else "",
        "target": str(record.target) if record.target else "",
        "replay": firing.replay,
        "dlq": firing.dlq,
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


class _NoWorkers:
    """Runs nothing, where there is no pool of workers."""

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        raise ScriptsUnavailable(program.text, "there are no workers here")


async def explain(ledger: Ledger, event_id: str, scripts: Runner | None = None, waits: Waits = for_nothing) -> dict[str, Any]:
    """Everything about one event: what it holds, each verdict with its tree, and what was done. Raises `UnknownRecord`.

    Transforms and scripts are run again by `scripts`; without it the tree says that they were not. `waits` as in `describe_firing`.
    """
    return await explain_record(ledger, await ledger.event(event_id), scripts, waits)


async def explain_record(
    ledger: Ledger, record: EventRecord, scripts: Runner | None = None, waits: Waits = for_nothing
) -> dict[str, Any]:
    """As `explain`, for a record with its data: of events that came several times with one id, this one."""
    shown = describe_event(record, data=True)
    runner = scripts or _NoWorkers()
    shown["verdicts"] = [await _explain_verdict(ledger, record, one, runner) for one in record.verdicts]
    shown["firings"] = [describe_firing(one, waits) for one in await ledger.firings(event_id=record.event.id, limit=200)]
    shown["repeats"] = [{"trigger": "/".join(one.trigger), "firing": one.firing} for one in record.repeats]
    shown["why"] = "" if record.verdicts else await _why_nobody(ledger, record)
    return shown


async def _explain_verdict(ledger: Ledger, record: EventRecord, verdict: Verdict, scripts: Runner) -> dict[str, Any]:
    shown: dict[str, Any] = {"outcome": verdict.kind.name.lower(), "revision": verdict.revision, "clause": verdict.clause}
    try:
        kept = await ledger.revision(verdict.revision)
    except UnknownRecord as error:
        return shown | {"sensor": "", "trigger": "", "dependency": "", "why": str(error)}
    program = _compile(kept)
    dependency, trigger = program.dependencies[verdict.dependency], program.triggers[verdict.trigger]
    shown |= {
        "sensor": program.name,
        "trigger": trigger.key.trigger,
        "dependency": dependency.name,
        "conditions": trigger.condition.text,
    }
    if verdict.kind is VerdictKind.SET_ASIDE:
        return shown | {"why": "the process ended whenever it was decided, so its filters are not run again"}
    try:
        judged = await dependency.filters.judge_away(record.event, scripts)
    except ScriptsUnavailable as error:
        shown["why"] = str(error)
    else:
        if judged.judgement is Judgement.PASSED:
            shown |= _beyond_filters(record, verdict, trigger, dependency.name, record.event.transformed(judged.transformed))
    return shown | {"filters": describe_finding(await dependency.filters.explain_away(record.event, scripts))}


def _beyond_filters(
    record: EventRecord, verdict: Verdict, trigger: TriggerProgram, dependency: str, event: Event
) -> dict[str, Any]:
    """What `correlate`, `once` and the trigger made of an event that passed: `join`, and why it did not fire."""
    found: dict[str, Any] = {}
    if trigger.correlate is not None:
        try:
            found["join"] = f"correlated by {trigger.correlate.key(dependency, event)}"
        except NoJoinKey as error:
            return {"join": str(error)}
    if verdict.kind is VerdictKind.REFUSED:
        found |= _refused(record, trigger, dependency)
    elif verdict.kind is VerdictKind.ONCE:
        earlier = ", ".join(one.firing for one in record.repeats if one.trigger == trigger.key)
        found["why"] = f"what has this key of once has fired already: {earlier}"
    elif verdict.kind is VerdictKind.ERRORED and trigger.once is not None:
        found["why"] = _without_key(trigger.once, trigger.condition.names, dependency, event)
    return found


def _refused(record: EventRecord, trigger: TriggerProgram, dependency: str) -> dict[str, Any]:
    """Why a firing was refused, which events it would have had, and how to decide it again."""
    for one in record.refusals:
        if (one.trigger, one.dependency) == (trigger.key, dependency):
            events = {dependency: record.event.id} | {held.dependency: held.event_id for held in one.beside}
            sensor = f"{trigger.key.sensor}/{trigger.key.trigger}"
            remedy = f"once that is corrected, `tiphys replay {record.event.id} --trigger {sensor}` decides it again with the same events"
            return {"why": f"{one.reason}: {one.message}", "events": events, "refused": instant(one.at), "remedy": remedy}
    return {"why": "the trigger refused the firing; the reason is no longer recorded"}


def _without_key(once: OnceKey, names: Sequence[str], dependency: str, event: Event) -> str:
    """Why a key of `once` could not be made. The events that were held beside this one are no longer known."""
    if set(names) == {dependency}:
        try:
            once.render({dependency: event})
        except TemplateError as error:
            return f"the key of once cannot be made: {error}"
    return f"the key of once could not be made from the events of {', '.join(names)}"


def _compile(kept: Kept) -> SensorProgram:
    spec = SensorSpec[OpaqueTrigger].model_validate(orjson.loads(kept.body)["spec"])
    return SensorProgram.compile(kept.namespace, kept.name, spec, revision=kept.revision, since=kept.since)


def describe_finding(finding: Finding) -> dict[str, Any]:
    """A finding's tree as JSON."""
    return {
        "asked": finding.asked,
        "judgement": finding.judgement.value,
        "found": finding.found,
        "why": finding.why,
        "children": [describe_finding(child) for child in finding.children],
    }


async def _why_nobody(ledger: Ledger, record: EventRecord) -> str:
    """No sensor has a verdict on it: say what comes nearest."""
    event = record.event
    if not record.settled:
        return "it is not decided yet"
    if record.deferred:
        return f"it is being decided by {', '.join('/'.join(key) for key in record.deferred)}"
    near = []
    for kept in await ledger.kept("Sensor"):
        program = _compile(kept)
        for dependency in program.dependencies:
            if dependency.source != event.source:
                continue
            where = f"sensor {kept.namespace}/{kept.name}, dependency {dependency.name}"
            if kept.namespace != event.namespace:
                near.append(f"{where}: listens in namespace {kept.namespace}, the event is in {event.namespace}")
            elif program.bus != event.bus:
                near.append(f"{where}: listens on event bus {program.bus}, the event is on {event.bus}")
            elif dependency.event != event.subject:
                near.append(f"{where}: listens to event {dependency.event!r}, this one is {event.subject!r}")
            elif record.position <= program.since:
                near.append(f"{where}: was accepted after this event; `tiphys replay {event.id}` decides it again")
    if near:
        return "no sensor was concerned; " + "; ".join(near)
    return f"no sensor has a dependency with eventSourceName {event.source!r} and eventName {event.subject!r}"
