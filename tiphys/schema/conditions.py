"""The fields of a trigger's `template` that say when it fires (reference 5), for the room that decides and the one that acts.

`conditions` and `conditionsReset` are argo-events'. Ours: `within`, `correlate`, `hold`. What they mean is in `docs/conditions.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.schema.model import Model, problem

__all__ = ["ByTime", "ConditionFields", "ConditionsReset", "Hold"]

Hold = Literal["latest", "first", "all"]


class ByTime(Model):
    """`cron` has five fields; `timezone` is an IANA name, default UTC."""

    cron: str = Field(min_length=1)
    timezone: str = ""


class ConditionsReset(Model):
    """One entry of `conditionsReset`."""

    by_time: ByTime


def _map_of_texts(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())):
        return value
    raise problem(
        "must be a text, or a map of a text for each dependency", "write body.sha, or {build: body.sha, scan: body.commit}"
    )


def _hold(value: Any) -> Any:
    value = value or "latest"
    for word in value.values() if isinstance(value, Mapping) else [value]:
        if word not in ("latest", "first", "all"):
            raise problem("must be latest, first or all", "write one of them, or a map {build: all, scan: latest}")
    return value


def _within(value: Any) -> Any:
    if not isinstance(value, str):
        raise problem("must be a duration", "write it as 10m, 90s or 1h30m")
    try:
        nanoseconds = duration.parse(value)
    except DurationError as error:
        raise problem(f"is no duration: {error.problem}", error.remedy) from error
    if nanoseconds <= 0:
        raise problem("must be longer than nothing", "write it as 10m, 90s or 1h30m")
    return value


Within = Annotated[str, BeforeValidator(_within)]
Correlate = Annotated[
    str | dict[str, str],
    BeforeValidator(_map_of_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]
_HOLDS: dict[str, Any] = {"type": "string", "enum": ["latest", "first", "all"]}
Holds = Annotated[
    str | dict[str, str],
    BeforeValidator(_hold),
    WithJsonSchema({"anyOf": [_HOLDS, {"type": "object", "additionalProperties": _HOLDS}]}),
]


class ConditionFields(Model):
    """When a trigger fires.

    `conditions`: dependency names, `&&`, `||`, parentheses; empty: all dependencies. `conditionsReset`: when all that is held is dropped.

    Extensions of ours: `within`, a duration in which all events of a firing lie; `correlate`, a gjson path to a value that the events of a
    firing share (or a map of dependency to path); `hold`, which events of a dependency that arrives again are kept: `latest` (default),
    `first` or `all` (or a map of dependency to one of these).
    """

    conditions: str = ""
    conditions_reset: list[ConditionsReset] = Field(default_factory=list)
    within: Within | None = None
    correlate: Correlate | None = None
    hold: Holds | None = None
