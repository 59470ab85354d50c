"""Why did it fire, and why did it not? The journal's rows turned back into the words of the manifests.

Verdicts are numbers: a revision of a Sensor, indices of its trigger and its dependency, an outcome and a clause. Values are not stored,
so the recorded revision is compiled again and run on the stored event; programs are pure, so what it finds is what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from sensors.conditions import NoJoinKey
from sensors.filters.finding import Judgement
from sensors.manifest import OpaqueTrigger, SensorSpec
from sensors.program import SensorProgram, TriggerProgram
from sensors.scripts import Program, Runner
from tiphys.app.describing import Waits, describe_event, describe_finding, describe_firing, for_nothing, instant
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import EventRecord, FiringRecord, Held, Kept, Ledger, Verdict, VerdictKind
from tiphys.errors import ScriptsUnavailable, TemplateError, UnknownRecord

__all__ = ["Holding", "compiled", "explain", "explain_record", "explain_verdict"]

Holding = Callable[[TriggerKey], Sequence[Held]]
"""What a trigger holds now."""

_LOST: Final = {
    "late": "it was older than within",
    "reset": "of conditionsReset",
    "full": "the trigger held as much as it may",
    "changed": "the dependency, or when the trigger fires, was changed",
    "deleted": "the sensor was deleted",
    "refused": "the firing that it was part of was refused",
    "once": "what it was part of had fired already (once)",
    "errored": "a key of the firing that it was part of could not be made",
}


class _NoWorkers:
    """Runs nothing, where there is no pool of workers."""

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        raise ScriptsUnavailable(program.text, "there are no workers here")


async def explain(
    ledger: Ledger, event_id: str, scripts: Runner | None = None, waits: Waits = for_nothing, holding: Holding | None = None
) -> dict[str, Any]:
    """Everything about one event: what it holds, each verdict with its tree, and what was done. Raises `UnknownRecord`.

    Transforms and scripts are run again by `scripts`; without it the tree says that they were not. `waits` as in `describe_firing`;
    `holding` says whether an event is held still.
    """
    return await explain_record(ledger, await ledger.event(event_id), scripts, waits, holding)


async def explain_record(
    ledger: Ledger,
    record: EventRecord,
    scripts: Runner | None = None,
    waits: Waits = for_nothing,
    holding: Holding | None = None,
) -> dict[str, Any]:
    """As `explain`, for a record with its data: of events that came several times with one id, this one."""
    shown = describe_event(record, data=True)
    firings = await ledger.firings(event_id=record.event.id, limit=200)
    shown["verdicts"] = [await explain_verdict(ledger, record, one, firings, scripts, holding) for one in record.verdicts]
    shown["firings"] = [describe_firing(one, waits) for one in firings]
    shown["repeats"] = [{"trigger": "/".join(one.trigger), "firing": one.firing} for one in record.repeats]
    shown["why"] = "" if record.verdicts else await _why_nobody(ledger, record)
    return shown


async def explain_verdict(
    ledger: Ledger,
    record: EventRecord,
    verdict: Verdict,
    firings: Sequence[FiringRecord],
    scripts: Runner | None = None,
    holding: Holding | None = None,
) -> dict[str, Any]:
    """One verdict on an event; `firings` are those that have the event."""
    scripts = scripts or _NoWorkers()
    shown: dict[str, Any] = {"outcome": verdict.kind.name.lower(), "revision": verdict.revision, "clause": verdict.clause}
    try:
        kept = await ledger.revision(verdict.revision)
    except UnknownRecord as error:
        return shown | {"sensor": "", "trigger": "", "dependency": "", "why": str(error)}
    program = compiled(kept)
    dependency, trigger = program.dependencies[verdict.dependency], program.triggers[verdict.trigger]
    shown |= {
        "sensor": program.name,
        "trigger": trigger.key.trigger,
        "dependency": dependency.name,
        "conditions": trigger.condition.text,
    }
    if verdict.kind is VerdictKind.SET_ASIDE:
        return shown | {"why": "the process ended whenever it was decided, so its filters are not run again"}
    if verdict.kind is VerdictKind.DUPLICATE:
        return shown | {"why": "an event with its id was decided before, so it is the same one, delivered again"}
    try:
        judged = await dependency.filters.judge_away(record.event, scripts)
    except ScriptsUnavailable as error:
        shown["why"] = str(error)
    else:
        if judged.judgement is Judgement.PASSED:
            shown |= _beyond_filters(record, verdict, trigger, dependency.name, record.event.transformed(judged.transformed))
        if verdict.kind is VerdictKind.HELD:
            shown["since"] = _since(record, trigger, dependency.name, firings, holding)
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
    elif verdict.kind is VerdictKind.ERRORED and trigger.keyed:
        found["why"] = _without_key(trigger, dependency, event)
    return found


def _since(
    record: EventRecord, trigger: TriggerProgram, dependency: str, firings: Sequence[FiringRecord], holding: Holding | None
) -> str:
    """What became of an event that was held."""
    key = trigger.key
    parts = [
        f"it was dropped at {instant(one.at)}: {_LOST.get(one.reason, one.reason)}"
        for one in record.losses
        if (one.trigger, one.dependency) == (key, dependency)
    ]
    for one in firings:
        seen = (one.firing.events.get(dependency), *one.firing.more.get(dependency, ()))
        if one.firing.key == key and any(event is not None and event.position == record.position for event in seen):
            by = one.firing.completed_by
            parts.append(
                f"it fired at {instant(one.decided)} in {one.firing.id}" + (f", completed by {by}" if by != dependency else "")
            )
    if parts:
        return "; ".join(reversed(parts))
    if not trigger.gate.holds:
        return "it makes the condition false by itself, so it is not kept"
    if holding is None:
        return ""
    if any((one.dependency, one.position) == (dependency, record.position) for one in holding(key)):
        missing = ", ".join(trigger.condition.missing({one.dependency for one in holding(key)}))
        return f"it is held still{f', and waits for {missing}' if missing else ''}"
    return f"it is held no longer: a later event of {dependency} took its place"


def _refused(record: EventRecord, trigger: TriggerProgram, dependency: str) -> dict[str, Any]:
    """Why a firing was refused, which events it would have had, and how to decide it again."""
    for one in record.refusals:
        if (one.trigger, one.dependency) == (trigger.key, dependency):
            events = {dependency: record.event.id} | {held.dependency: held.event_id for held in one.beside}
            sensor = f"{trigger.key.sensor}/{trigger.key.trigger}"
            remedy = f"once that is corrected, `tiphys replay {record.event.id} --trigger {sensor}` decides it again with the same events"
            return {"why": f"{one.reason}: {one.message}", "events": events, "refused": instant(one.at), "remedy": remedy}
    return {"why": "the trigger refused the firing; the reason is no longer recorded"}


def _without_key(trigger: TriggerProgram, dependency: str, event: Event) -> str:
    """Why a key of a firing could not be made. The events that were held beside this one are no longer known."""
    keys = {"once": trigger.once, "order, concurrency, debounce or batch": trigger.lane}
    names = trigger.condition.names
    for of, key in keys.items():
        if key is not None and set(names) == {dependency}:
            try:
                key.render({dependency: event})
            except TemplateError as error:
                return f"the key of {of} cannot be made: {error}"
    of = " or ".join(of for of, key in keys.items() if key is not None)
    return f"the key of {of} could not be made from the events of {', '.join(names)}"


def compiled(kept: Kept) -> SensorProgram:
    """The program of a recorded revision."""
    spec = SensorSpec[OpaqueTrigger].model_validate(orjson.loads(kept.body)["spec"])
    return SensorProgram.compile(kept.namespace, kept.name, spec, revision=kept.revision, since=kept.since)


async def _why_nobody(ledger: Ledger, record: EventRecord) -> str:
    """No sensor has a verdict on it: say what comes nearest."""
    event = record.event
    if not record.settled:
        return "it is not decided yet"
    if record.deferred:
        return f"it is being decided by {', '.join('/'.join(key) for key in record.deferred)}"
    near = []
    for kept in await ledger.kept("Sensor"):
        program = compiled(kept)
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
