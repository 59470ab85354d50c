"""The Sensor: dependencies, filters, and triggers as envelopes.

A trigger is opaque here but for its name and its conditions; the roof composes the whole model with the dispatcher's triggers
(`SensorSpec[TriggerSpec]`). Fields that argo-events knows and that are not built yet are refused with a hint: a filter that were
ignored would let everything through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, field_validator, model_validator

from tiphys.schema.conditions import ConditionFields
from tiphys.schema.model import Model, problem

__all__ = ["ContextFilter", "DataFilter", "Dependency", "Filters", "OpaqueTrigger", "SensorSpec"]

_LATER: Final = "argo-events knows it; Tiphys does not support it yet: filter with data or context for now"
Operator = Literal["", "and", "or"]


class DataFilter(Model):
    """One entry of `filters.data` (reference 4.5): what stands at `path` compared with any of `value`."""

    path: str = Field(min_length=1)
    type: Literal["bool", "number", "string"]
    value: list[str]
    comparator: Literal["", ">=", ">", "=", "!=", "<", "<="] = ""
    template: str = ""

    @field_validator("value")
    @classmethod
    def _values_say_something(cls, value: list[str]) -> list[str]:
        if not value:
            raise problem("has no values, so nothing could ever pass", "list at least one value")
        if "" in value:
            raise problem("has an empty value", 'write a regular expression that matches an empty text, "^$"')
        return value


class ContextFilter(Model):
    """`filters.context` (reference 4.6): attributes that must be equal. `id`, `time` and `specversion` are accepted and ignored."""

    type: str = ""
    subject: str = ""
    source: str = ""
    datacontenttype: str = ""
    id: str = ""
    specversion: str = ""
    time: Any = None

    @model_validator(mode="after")
    def _asks_something(self) -> ContextFilter:
        if not (self.type or self.subject or self.source or self.datacontenttype):
            raise problem("compares nothing", "set type, subject, source or datacontenttype")
        return self


class Filters(Model):
    """`filters` of a dependency. An absent kind counts as passed under `and`, and not at all under `or`."""

    data: list[DataFilter] = Field(default_factory=list)
    data_logical_operator: Operator = ""
    context: ContextFilter | None = None
    exprs: list[Any] = Field(default_factory=list)
    expr_logical_operator: Operator = ""
    time: Any = None
    script: str = ""

    @field_validator("exprs", "time", "script", mode="before")
    @classmethod
    def _not_yet(cls, value: Any) -> Any:
        if value:
            raise problem("is not supported yet", _LATER)
        return value


class Dependency(Model):
    """One entry of `dependencies`: an event of an EventSource, under a name of the sensor's own."""

    name: str = Field(min_length=1)
    event_source_name: str = Field(min_length=1)
    event_name: str = Field(min_length=1)
    filters: Filters | None = None
    filters_logical_operator: Operator = ""
    transform: Any = None

    @field_validator("transform", mode="before")
    @classmethod
    def _not_yet(cls, value: Any) -> Any:
        if value:
            raise problem("is not supported yet", "argo-events knows it, Tiphys will; for now use a parameter's dataTemplate")
        return value


class OpaqueTemplate(ConditionFields):
    """A template whose body is not looked at, but for when it fires."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)


class OpaqueTrigger(Model):
    """A trigger as this room sees it: a name, conditions, and a body for others."""

    model_config = ConfigDict(extra="allow")

    template: OpaqueTemplate


TriggerT = TypeVar("TriggerT", bound=Model)


class SensorSpec(Model, Generic[TriggerT]):
    """`spec` of a Sensor. Pod-shaping fields are accepted and do nothing, but for `template.serviceAccountName`."""

    dependencies: list[Dependency]
    triggers: list[TriggerT]
    event_bus_name: str = "default"
    template: dict[str, Any] | None = None
    replicas: int | None = None
    revision_history_limit: int | None = None
    error_on_failed_round: bool | None = None
    logging_fields: dict[str, str] | None = None

    @field_validator("event_bus_name")
    @classmethod
    def _default_bus(cls, value: str) -> str:
        return value or "default"

    @field_validator("dependencies")
    @classmethod
    def _dependencies(cls, value: list[Dependency]) -> list[Dependency]:
        if not value:
            raise problem("has no entries, so the sensor could never fire", "add a dependency")
        _unique([dependency.name for dependency in value], "dependencies")
        return value

    @field_validator("triggers")
    @classmethod
    def _some_trigger(cls, value: list[TriggerT]) -> list[TriggerT]:
        if not value:
            raise problem("has no entries, so the sensor could never do anything", "add a trigger")
        return value


def _unique(names: Sequence[str], kind: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(f"names {', '.join(map(repr, twice))} more than once", f"give each of the {kind} a name of its own")
