"""From a trigger's `template` to what decides when it fires, with every fault and its path.

Combinations without a meaning are refused: a span, a join key or `hold` for a condition that holds nothing, a count of a dependency of
which only one event is held, a join key for some of the dependencies only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import orjson

from sensors.conditions.correlation import Correlate
from sensors.conditions.expression import Condition
from sensors.conditions.expression import compile as compile_condition
from sensors.conditions.reset import Reset
from sensors.conditions.state import Gate
from tiphys.errors import ConditionError, FaultKind, FieldError, LanguageError, shorten
from tiphys.languages import duration, gjson
from tiphys.schema.conditions import ConditionFields, Hold

__all__ = ["Decider", "compile_trigger"]

_NOTHING_HELD: Final = "has no effect: each event fires by itself, since nothing in conditions is joined by &&"


@dataclass(frozen=True, slots=True)
class Decider:
    """When a trigger fires. `rule` stands for all that the manifest says about it: what was held under another rule is dropped. `notices`
    are what is accepted and seldom meant, with paths as those of faults."""

    condition: Condition
    gate: Gate
    reset: Reset | None
    correlate: Correlate | None
    rule: str
    notices: tuple[FieldError, ...] = ()


def compile_trigger(fields: ConditionFields, dependencies: Sequence[str], path: str, faults: list[FieldError]) -> Decider | None:
    """Compile the conditions of a trigger. `path` is that of its `template`; what is wrong is added to `faults`, and then it is `None`."""
    found: list[FieldError] = list(Reset.faults(fields.conditions_reset, f"{path}.conditionsReset"))
    try:
        condition = compile_condition(fields.conditions, dependencies)
    except ConditionError as error:
        found.append(FieldError(f"{path}.conditions", error.problem, error.remedy, shorten(fields.conditions), kind=error.kind))
        faults += found
        return None
    if not condition.requires_and:
        for name, value in (("within", fields.within), ("correlate", fields.correlate), ("hold", fields.hold)):
            if value is not None:
                found.append(
                    FieldError(
                        f"{path}.{name}",
                        _NOTHING_HELD,
                        "leave it out, or join dependencies by &&",
                        shorten(value),
                        kind=FaultKind.IGNORED,
                    )
                )
    paths = _by_dependency(fields.correlate, condition.names)
    found += _correlation_faults(fields.correlate, paths, condition, f"{path}.correlate")
    holds = _by_dependency(fields.hold, condition.names)
    found += _hold_faults(holds, condition, f"{path}.hold")
    if found:
        faults += found
        return None
    counted: dict[str, Hold] = {count.name: "all" for count in condition.counts}
    hold = counted | cast("dict[str, Hold]", holds)
    reset = Reset(fields.conditions_reset) if fields.conditions_reset else None
    within = duration.seconds(fields.within) if fields.within else None
    gate = Gate(condition, within=within, hold=hold, reset=reset)
    notices = tuple(_notices(fields, condition, path))
    return Decider(condition, gate, reset, Correlate(paths) if paths else None, _rule(fields), notices)


def _notices(fields: ConditionFields, condition: Condition, path: str) -> Iterator[FieldError]:
    if fields.conditions_reset and not condition.requires_and:
        yield FieldError(
            f"{path}.conditionsReset", _NOTHING_HELD, "leave it out, or join dependencies by &&", kind=FaultKind.IGNORED
        )
    if fields.within or fields.conditions_reset:
        return
    for name in condition.blocking():
        problem = f"never holds again once an event of {name!r} has come, since nothing drops it"
        yield FieldError(
            f"{path}.conditions",
            problem,
            "add within or conditionsReset",
            shorten(fields.conditions),
            kind=FaultKind.HELD_WITHOUT_END,
        )
    if fields.correlate:
        problem = "keeps events whose value never comes again until it has 10,000 values"
        yield FieldError(
            f"{path}.correlate",
            problem,
            "add within or conditionsReset",
            shorten(fields.correlate),
            kind=FaultKind.HELD_WITHOUT_END,
        )


def _rule(fields: ConditionFields) -> str:
    """The text as it was written (a change of blanks is a change, as in argo-events; the absent text stays one when a dependency is added);
    with an extension, that as well. A reset that changes drops nothing by itself."""
    hold = fields.hold
    if isinstance(hold, Mapping):
        hold = {name: how for name, how in hold.items() if how != "latest"}
    ours = {"within": fields.within, "correlate": fields.correlate, "hold": None if hold == "latest" else hold}
    if not any(ours.values()):
        return fields.conditions
    return f"{fields.conditions}\n{orjson.dumps(ours, option=orjson.OPT_SORT_KEYS).decode()}"


def _by_dependency(value: str | Mapping[str, str] | None, names: Sequence[str]) -> dict[str, str]:
    if value is None:
        return {}
    return dict.fromkeys(names, value) if isinstance(value, str) else dict(value)


def _correlation_faults(
    value: str | Mapping[str, str] | None, paths: Mapping[str, str], condition: Condition, where: str
) -> Iterator[FieldError]:
    mapped = not isinstance(value, str)
    for name in dict.fromkeys([*paths, *condition.names]) if paths else ():
        at = f"{where}.{name}" if mapped else where
        if name not in condition.names:
            yield FieldError(
                at,
                "is of no dependency in conditions",
                f"they name {', '.join(condition.names)}",
                kind=FaultKind.UNKNOWN_DEPENDENCY,
            )
        elif name not in paths:
            yield FieldError(
                at,
                "is missing, so its events could meet nothing",
                "add the path of the value that it shares with the others",
                kind=FaultKind.MISSING,
            )
        else:
            fault = _path_fault(paths[name], at)
            if fault is not None:
                yield fault
                if not mapped:
                    return
    if value is not None and not paths:
        yield FieldError(
            where, "names no path", "write the path of a value that the events share, or leave it out", kind=FaultKind.MISSING
        )


def _path_fault(text: str, where: str) -> FieldError | None:
    if not text:
        return FieldError(
            where, "is empty", "write the path of a value that the events share, such as body.sha", kind=FaultKind.MISSING
        )
    try:
        path = gjson.compile(text)
    except LanguageError as error:
        return FieldError(where, error.problem, error.remedy, shorten(text))
    return FieldError(where, path.flaw, "gjson would find something else than is meant", shorten(text)) if path.flaw else None


def _hold_faults(holds: Mapping[str, str], condition: Condition, where: str) -> Iterator[FieldError]:
    counted = {count.name for count in condition.counts}
    for name, how in holds.items():
        if name not in condition.names:
            yield FieldError(
                f"{where}.{name}",
                "is of no dependency in conditions",
                f"they name {', '.join(condition.names)}",
                kind=FaultKind.UNKNOWN_DEPENDENCY,
            )
        elif how != "all" and name in counted:
            problem = f"keeps one event of {name!r}, and conditions count them"
            yield FieldError(where, problem, "leave hold out for it, or set it to all", shorten(how))
