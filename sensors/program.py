"""A sensor as the Matcher runs it: everything is compiled here, once, when the manifest loads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from sensors import lanes
from sensors.conditions import Condition, Correlate, Gate, Reset, compile_trigger
from sensors.filters.finding import Finding
from sensors.filters.program import FilterProgram
from sensors.lanes import Lane
from sensors.manifest import Dependency, SensorSpec
from sensors.once import OnceKey
from sensors.scripts import Runner
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Gather, TriggerKey
from tiphys.errors import FaultKind, FieldError, ManifestError, TiphysError, shorten
from tiphys.schema.once import Once

__all__ = ["Check", "DependencyProgram", "SensorProgram", "TriggerProgram"]


@dataclass(frozen=True, slots=True)
class DependencyProgram:
    """A dependency. `index` is its place in the manifest; `digest` stands for its whole definition."""

    index: int
    name: str
    source: str
    event: str
    filters: FilterProgram
    digest: str


class Check(Protocol):
    """A trigger that can tell beforehand which firings it would refuse. Pure and quick: it is asked on the event loop."""

    def refusal(self, events: Mapping[str, Event]) -> TiphysError | None:
        """Why a firing with these events would be refused, as far as can be said at once."""

    def instead(self, firing: Firing) -> tuple[Firing, ...]:
        """What is to be done for a firing that is refused."""


@dataclass(frozen=True, slots=True)
class TriggerProgram:
    """When a trigger fires. `digests` has, for each dependency that its condition mentions, what a held event's digest must equal: it
    changes with the dependency's definition and with the condition (`within`, `correlate` and `hold` included), so that neither survives
    the other's change. `gate` decides an arrival among what is held for the event's join key, which `correlate` gives (`None`: all events
    share one); `reset` knows when all that is held goes (`None`: never). With `once` a key stands in place of a firing's events. `check` is
    asked about each firing before it is one (`None`: nothing can be refused). `lane` gives the key that tells its firings apart, `gather`
    says how they wait for each other."""

    index: int
    key: TriggerKey
    condition: Condition
    digests: dict[str, str]
    gate: Gate
    reset: Reset | None = None
    correlate: Correlate | None = None
    once: OnceKey | None = None
    check: Check | None = None
    lane: Lane | None = None
    gather: Gather | None = None

    @property
    def keyed(self) -> bool:
        """Whether a key is to be rendered from the events of each firing, which may have to be read."""
        return self.once is not None or self.lane is not None

    def gathering(self, firing: Firing) -> Firing:
        """A new firing, as it is to wait for others. A replay, which somebody asked for, waits for none."""
        return firing if self.gather is None or firing.replay else replace(firing, gather=self.gather)


@dataclass(frozen=True, slots=True)
class SensorProgram:
    """A compiled sensor. `revision` is that of its kept manifest, `since` the log position beyond which it listens; `notices` are what is
    accepted in its filters and conditions and seldom meant, with paths from `spec`."""

    namespace: str
    name: str
    bus: str
    revision: int
    since: int
    dependencies: tuple[DependencyProgram, ...]
    triggers: tuple[TriggerProgram, ...]
    notices: tuple[FieldError, ...] = ()

    @classmethod
    def compile(cls, namespace: str, name: str, spec: SensorSpec[Any], *, revision: int = 0, since: int = 0) -> SensorProgram:
        """Compile every filter and condition. Raises `ManifestError` with all faults, paths from `spec`."""
        faults: list[FieldError] = []
        notices: list[FieldError] = []
        dependencies = _dependencies(spec.dependencies, faults, notices)
        names = [dependency.name for dependency in spec.dependencies]
        digests = {dependency.name: dependency.digest for dependency in dependencies}
        triggers: list[TriggerProgram] = []
        taken: set[str] = set()
        for index, trigger in enumerate(spec.triggers):
            template = trigger.template
            if template.name in taken:
                faults.append(
                    FieldError(
                        f"spec.triggers[{index}].template.name",
                        "is used twice",
                        "give it another name",
                        shorten(template.name),
                        kind=FaultKind.DUPLICATE_NAME,
                    )
                )
            taken.add(template.name)
            decider = compile_trigger(template, names, f"spec.triggers[{index}].template", faults)
            once = _once(trigger, decider.condition.names if decider else names, f"spec.triggers[{index}].once", faults)
            path, listening = f"spec.triggers[{index}]", decider.condition.names if decider else names
            wrong = list(lanes.faults(trigger, listening, path)) if hasattr(trigger, "debounce") else []
            faults += wrong
            if decider is not None:
                notices += decider.notices
                held = {name: _digest(digests.get(name, ""), decider.rule) for name in decider.condition.names}
                key = TriggerKey(namespace, name, template.name)
                made = TriggerProgram(index, key, decider.condition, held, decider.gate, decider.reset, decider.correlate, once)
                triggers.append(made if wrong else _with_limits(made, trigger))
        if faults:
            raise ManifestError(faults, notices)
        return cls(namespace, name, spec.event_bus_name, revision, since, tuple(dependencies), tuple(triggers), tuple(notices))

    def checked(self, checks: Mapping[TriggerKey, Check]) -> SensorProgram:
        """The same sensor, with these triggers asked about their firings."""
        return replace(self, triggers=tuple(replace(one, check=checks.get(one.key)) for one in self.triggers))

    def listening(self, event: Event) -> list[DependencyProgram]:
        """The dependencies that an event of this source and name concerns."""
        if (event.namespace, event.bus) != (self.namespace, self.bus):
            return []
        return [one for one in self.dependencies if (one.source, one.event) == (event.source, event.subject)]

    async def explain(self, event: Event, scripts: Runner) -> list[tuple[DependencyProgram, Finding]]:
        """For each dependency that the event concerns, what its transform and filters found."""
        return [(dependency, await dependency.filters.explain_away(event, scripts)) for dependency in self.listening(event)]


def _dependencies(entries: Sequence[Dependency], faults: list[FieldError], notices: list[FieldError]) -> list[DependencyProgram]:
    programs = []
    for index, entry in enumerate(entries):
        filters = FilterProgram(entry)
        path = f"spec.dependencies[{index}]"
        faults += [replace(one, path=f"{path}.{one.path}") for one in filters.faults()]
        notices += [replace(one, path=f"{path}.{one.path}") for one in filters.notices()]
        written = entry.model_dump(by_alias=True, mode="json", exclude_defaults=True)
        digest = _digest(orjson.dumps(written, option=orjson.OPT_SORT_KEYS).decode())
        programs.append(DependencyProgram(index, entry.name, entry.event_source_name, entry.event_name, filters, digest))
    return programs


def _once(trigger: Any, names: Sequence[str], path: str, faults: list[FieldError]) -> OnceKey | None:
    spec: Once | None = getattr(trigger, "once", None)
    if spec is None:
        return None
    found = list(OnceKey.faults(spec, names, path))
    faults += found
    return None if found else OnceKey(spec)


def _with_limits(program: TriggerProgram, trigger: Any) -> TriggerProgram:
    """The same with what tells its firings apart and gathers them, if its manifest has any of it."""
    if not hasattr(trigger, "debounce"):  # a trigger of a stand-in model
        return program
    lane, gather = lanes.Lane.of(trigger), lanes.gather(trigger.debounce, trigger.batch)
    return program if lane is None and gather is None else replace(program, lane=lane, gather=gather)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
