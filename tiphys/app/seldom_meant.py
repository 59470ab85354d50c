"""What a Sensor may say and seldom means: accepted as argo-events accepts it, and told to its owner.

Most of it argo-events passes over in silence (reference 4.3 to 4.6, 5.1, 6.3): comparisons that always or never hold, fields that
nothing reads, parameters of a dependency that a firing need not have. The rest are extensions of ours in a form that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dispatcher.manifest import TriggerSpec, chosen_type, touches
from dispatcher.parameters import PayloadParameter
from sensors.conditions import Condition
from sensors.manifest import ContextFilter, DataFilter, Dependency, GitFilter, SensorSpec
from sensors.program import SensorProgram
from tiphys.app.notices import Notice
from tiphys.errors import FaultKind
from tiphys.languages import duration

__all__ = ["seldom_meant"]

_WITHOUT_EFFECT: Final = {
    "replicas": "has no effect: one process runs every sensor",
    "revisionHistoryLimit": "has no effect: no Deployment is made",
    "errorOnFailedRound": "has no effect, as in argo-events",
    "loggingFields": "has no effect, as in argo-events",
}
_ONE_OR_MORE: Final = re.compile(r"\bcount\(\s*([^\s()]+)\s*\)\s*(?:>=\s*1|>\s*0)(?![\d.])")
_SHORTEST_SPAN: Final = 60.0
_GIT_PATTERNS: Final = ("branches", "branches_ignore", "tags", "tags_ignore")


def seldom_meant(spec: SensorSpec[TriggerSpec], raw: Mapping[str, Any], program: SensorProgram | None) -> Iterator[Notice]:
    """Everything of this sort about a Sensor; `raw` is its spec as written, `program` the compiled one where it could be compiled."""
    for field, text in _WITHOUT_EFFECT.items():
        if raw.get(field):
            yield Notice("information", f"spec.{field}", text, kind=FaultKind.HARMLESS)
    for index, dependency in enumerate(spec.dependencies):
        yield from _of_dependency(dependency, f"spec.dependencies[{index}]")
    conditions = {one.index: one.condition for one in program.triggers} if program is not None else {}
    for index, trigger in enumerate(spec.triggers):
        yield from _of_trigger(trigger, conditions.get(index), f"spec.triggers[{index}]")


def _of_dependency(dependency: Dependency, path: str) -> Iterator[Notice]:
    filters = dependency.filters
    if filters is None:
        return
    kinds = (filters.exprs, filters.data, filters.context, filters.time, filters.git, filters.script)
    if dependency.filters_logical_operator == "or" and (filters.exprs or filters.data) and sum(map(bool, kinds)) > 1:
        text = "a path that an event does not have is an error, and drops the event, whatever the other kinds say"
        where = f"{path}.filtersLogicalOperator"
        yield Notice("warning", where, f"{text}; ask for paths that are always there", kind=FaultKind.OR_DROPS_ON_ERROR)
    for number, entry in enumerate(filters.data):
        yield from _comparison(entry, f"{path}.filters.data[{number}]")
    if filters.context is not None:
        yield from _context(filters.context, f"{path}.filters.context")
    if filters.git is not None:
        yield from _git(filters.git, f"{path}.filters.git")


def _comparison(entry: DataFilter, path: str) -> Iterator[Notice]:
    if entry.comparator == "!=" and len(entry.value) > 1:
        text = "holds where any value differs, which is nearly always; write one expression: ^(a|b)$"
        yield Notice("warning", f"{path}.value", text, kind=FaultKind.NOT_EQUAL_TO_SEVERAL)
    if entry.type == "string" and entry.comparator not in ("", "=", "!="):
        text = f"{entry.comparator} never holds for strings; use type: number"
        yield Notice("warning", f"{path}.comparator", text, kind=FaultKind.ORDERED_STRINGS)
    if entry.type == "bool" and entry.comparator not in ("", "="):
        text = "is ignored for booleans, as in argo-events"
        yield Notice("warning", f"{path}.comparator", text, kind=FaultKind.IGNORED_COMPARATOR)


def _context(context: ContextFilter, path: str) -> Iterator[Notice]:
    for name, value in (("id", context.id), ("specversion", context.specversion), ("time", context.time)):
        if value:
            text = "is not compared, as in argo-events; use type, subject, source or datacontenttype, or filters.time"
            yield Notice("warning", f"{path}.{name}", text, kind=FaultKind.IGNORED)


def _git(git: GitFilter, path: str) -> Iterator[Notice]:
    for field in _GIT_PATTERNS:
        for number, pattern in enumerate(getattr(git, field)):
            if pattern == "*":
                name = "".join(word.capitalize() if at else word for at, word in enumerate(field.split("_")))
                text = "does not match names with a slash, such as feature/x; write ** for all of them"
                yield Notice("warning", f"{path}.{name}[{number}]", text, kind=FaultKind.POINTLESS)


def _of_trigger(trigger: TriggerSpec, condition: Condition | None, path: str) -> Iterator[Notice]:
    if trigger.once is not None and duration.seconds(trigger.once.for_) < _SHORTEST_SPAN:
        text = "is shorter than senders take to deliver again, so a second delivery fires as well; write 1h or more"
        yield Notice("warning", f"{path}.once.for", text, kind=FaultKind.POINTLESS)
    for match in _ONE_OR_MORE.finditer(trigger.template.conditions):
        text = f"{match[0]} says no more than {match[1]}; write that, or a greater number"
        yield Notice("warning", f"{path}.template.conditions", text, kind=FaultKind.POINTLESS)
    dead = trigger.dlq_trigger
    if dead is not None and dead.template.conditions:
        text = "is not looked at: a dead letter is handled whatever it says; leave it out"
        yield Notice("warning", f"{path}.dlqTrigger.template.conditions", text, kind=FaultKind.IGNORED)
    kind, settings = chosen_type(trigger.template)
    own: list[tuple[str, PayloadParameter]] = list(kind.parameters(settings))
    own += [(f"payload[{index}]", one) for index, one in enumerate(getattr(settings, "payload", ()))]
    for index, parameter in enumerate(trigger.parameters):
        yield from _parameter(parameter, condition, f"{path}.parameters[{index}]")
    for where, entry in own:
        if not any(touches(one.dest, f"{kind.key}.{where}") for one in trigger.parameters):
            yield from _parameter(entry, condition, f"{path}.template.{kind.key}.{where}")


def _parameter(parameter: PayloadParameter, condition: Condition | None, path: str) -> Iterator[Notice]:
    src = parameter.src
    if not (src.data_key or src.data_template or src.context_key or src.context_template or src.value is not None or src.all_):
        text = "names no value, so it is the whole event, its data in base64; name one with dataKey or dataTemplate"
        yield Notice("warning", f"{path}.src", text, kind=FaultKind.WHOLE_EVENT)
    if condition is None or src.value is not None or parameter.on_missing not in (None, "error"):
        return
    name = src.dependency_name
    if name not in condition.names:
        text = (
            f"is of {name}, which conditions do not name, so no firing has an event of it; name it there, or give a default (value)"
        )
        yield Notice("warning", f"{path}.src.dependencyName", text, kind=FaultKind.ABSENT_DEPENDENCY)
    elif ".payload[" in path and parameter.dest and condition.evaluate(one for one in condition.names if one != name):
        text = f"is of {name}, of which a firing need not have an event: it then fails; give a default (value)"
        yield Notice("warning", f"{path}.src.dependencyName", text, kind=FaultKind.ABSENT_DEPENDENCY)
