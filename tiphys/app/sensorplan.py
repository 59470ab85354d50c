"""A Sensor read whole: the rooms' models composed, both rooms' checks, and what is accepted and seldom meant.

An entry that cannot be read (a trigger without a template, a filter of the wrong type) hides nothing of the others: it is replaced by one
that says nothing, under its own name, and what is found about that one is dropped.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from typing import Any, Final, cast

from pydantic import ValidationError

from dispatcher.manifest import TriggerSpec, check, notices, prospects, trigger_model
from dispatcher.trigger import Templates
from sensors.manifest import Dependency, SensorSpec
from sensors.program import SensorProgram
from tiphys.app.notices import Notice, warning
from tiphys.app.seldom_meant import seldom_meant
from tiphys.errors import FaultKind, FieldError, ManifestError, shorten
from tiphys.schema.model import UnknownField, field_errors, join_path, unknown_fields

__all__ = ["SensorFindings", "SensorPlan", "examine_sensor", "sensor_model"]

_PARAMETERS: Final = ("parameters", "payload", "dynamicHeaders")


@dataclass(frozen=True, slots=True)
class SensorPlan:
    """An accepted Sensor: its spec, and the account that it acts as (empty: none named)."""

    namespace: str
    name: str
    spec: SensorSpec[TriggerSpec]
    account: str

    def program(self, *, revision: int = 0, since: int = 0) -> SensorProgram:
        """Compile what decides. It has been compiled once by `examine_sensor`, so it raises nothing."""
        return SensorProgram.compile(self.namespace, self.name, self.spec, revision=revision, since=since)


@dataclass(slots=True)
class SensorFindings:
    """What is found about a Sensor. `plan` is `None` if anything of it is wrong; `refused` are faults of what could not even be read, and
    stand in `faults` at the end."""

    plan: SensorPlan | None = None
    faults: list[FieldError] = field(default_factory=list)
    refused: list[FieldError] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unknown: list[UnknownField] = field(default_factory=list)


@cache
def sensor_model() -> type[SensorSpec[TriggerSpec]]:
    """The whole Sensor, composed of both rooms' models."""
    return cast("type[SensorSpec[TriggerSpec]]", SensorSpec.__class_getitem__(trigger_model()))


def examine_sensor(obj: Mapping[str, Any], namespace: str, name: str, templates: Templates | None) -> SensorFindings:
    """Read an object of kind Sensor. Arguments are held against `templates`. Raises nothing."""
    found = SensorFindings()
    if not name:
        found.faults.append(FieldError("metadata.name", "is missing", "give the object a name", kind=FaultKind.MISSING))
    raw = obj.get("spec")
    if not isinstance(raw, dict):
        remedy = "write dependencies and triggers below it"
        found.faults.append(FieldError("spec", "must be a map", remedy, shorten(raw), kind=FaultKind.WRONG_TYPE))
        return found
    found.unknown = unknown_fields(sensor_model(), raw, "spec")
    spec, replaced = _validated(raw, found)
    if spec.dependencies:
        _look_into(spec, raw, found, namespace, name, templates)
    if not found.refused and not found.faults:
        account = (spec.template or {}).get("serviceAccountName")
        found.plan = SensorPlan(namespace, name, spec, account if isinstance(account, str) else "")
        return found
    # what is said of an entry that stands in for another is not of that other
    found.faults = [*found.refused, *(one for one in found.faults if not _is_of(one.path, replaced))]
    found.notices = [one for one in found.notices if not _is_of(one.path, replaced)]
    return found


def _validated(raw: dict[str, Any], found: SensorFindings) -> tuple[SensorSpec[TriggerSpec], frozenset[str]]:
    """The spec, and the paths in it where a stand-in is, since what is written there cannot be read."""
    try:
        return sensor_model().model_validate(raw), frozenset()
    except ValidationError as error:
        found.refused = field_errors(error, "spec")
    replaced: set[str] = set()
    dependencies, triggers = [], []
    for index, entry in enumerate(_list(raw.get("dependencies"))):
        try:
            dependencies.append(Dependency.model_validate(entry))
        except ValidationError:
            replaced.add(f"spec.dependencies[{index}]")
            dependencies.append(Dependency(name=_name(entry, index), event_source_name="-", event_name="-"))
    for index, entry in enumerate(_list(raw.get("triggers"))):
        path = f"spec.triggers[{index}]"
        try:
            triggers.append(trigger_model().model_validate(entry))
        except ValidationError as error:
            triggers.append(_stand_in(entry, error, path, _name(_map(_map(entry).get("template")), index), replaced))
    return sensor_model().model_construct(dependencies=dependencies, triggers=triggers), frozenset(replaced)


def _stand_in(entry: Any, error: ValidationError, path: str, name: str, replaced: set[str]) -> TriggerSpec:
    """A trigger that cannot be read, with parameters in place of those at fault; if that is not enough, one that does nothing."""
    mended = copy.deepcopy(entry)
    places = set()
    for item in error.errors(include_url=False):
        location = item["loc"]
        ends = [number for number, part in enumerate(location) if isinstance(part, int) and location[number - 1] in _PARAMETERS]
        if not ends:
            break
        place = location[: ends[0] + 1]
        holder = reduce(_step, place[:-1], mended)
        dest = _map(holder[place[-1]]).get("dest")
        source = {"dependencyName": "-", "value": "-"}
        holder[place[-1]] = {"src": source, "dest": dest if isinstance(dest, str) and dest else "metadata.annotations.-"}
        places.add(join_path(path, place))
    else:
        with contextlib.suppress(ValidationError):
            trigger = trigger_model().model_validate(mended)
            replaced |= places
            return trigger
    replaced.add(path)
    return trigger_model().model_validate({"template": {"name": name, "log": {}}})


def _step(here: Any, part: str | int) -> Any:
    return here[part]


def _is_of(path: str, replaced: Iterable[str]) -> bool:
    """Whether a path is that of a stand-in, or below it."""
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in replaced)


def _name(entry: Any, index: int) -> str:
    name = _map(entry).get("name")
    return name if isinstance(name, str) and name else f"[{index}]"


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _look_into(
    spec: SensorSpec[TriggerSpec],
    raw: Mapping[str, Any],
    found: SensorFindings,
    namespace: str,
    name: str,
    templates: Templates | None,
) -> None:
    names = frozenset(dependency.name for dependency in spec.dependencies)
    program = None
    try:
        program = SensorProgram.compile(namespace, name, spec)
        found.notices += map(warning, program.notices)
    except ManifestError as error:
        found.faults += error.errors
        found.notices += map(warning, error.notices)
    if spec.suspend:
        text = f"nothing is carried out until it is taken out; onResume is {spec.on_resume}"
        found.notices.append(Notice("warning", "spec.suspend", text))
    for index, trigger in enumerate(spec.triggers):
        path = f"spec.triggers[{index}]"
        found.faults += [replace(one, path=_below(path, one.path)) for one in check(trigger, names, namespace, templates)]
        for one in (*notices(trigger), *prospects(trigger, namespace, templates)):
            found.notices.append(Notice("error" if one.fails else "warning", _below(path, one.path), one.text, kind=one.kind))
    found.notices += seldom_meant(spec, raw, program)


def _below(path: str, relative: str) -> str:
    return f"{path}.{relative}" if relative else path
