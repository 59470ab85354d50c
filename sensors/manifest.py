"""The Sensor: dependencies, filters, and triggers as envelopes.

A trigger is opaque here but for its name and its conditions; the roof composes the whole model with the dispatcher's triggers
(`SensorSpec[TriggerSpec]`). `filters.git` is ours; everything else is argo-events' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, field_validator, model_validator

from tiphys.errors import FaultKind
from tiphys.schema.conditions import ConditionFields
from tiphys.schema.limits import Batch, Concurrency, DebounceField, OnResume, Order
from tiphys.schema.model import Model, problem
from tiphys.schema.once import Once

__all__ = [
    "ContextFilter",
    "DataFilter",
    "Dependency",
    "ExprField",
    "ExprFilter",
    "Filters",
    "GitFilter",
    "OpaqueTrigger",
    "SensorSpec",
    "TimeFilter",
    "Transform",
]

Operator = Literal["", "and", "or"]


class DataFilter(Model):
    """One entry of `filters.data` (reference 4.5): what stands at `path` compared with any of `value`."""

    path: str = Field(min_length=1)
    type: str = Field(min_length=1, json_schema_extra={"enum": ["bool", "number", "string"]})
    value: list[str]
    comparator: Literal["", ">=", ">", "=", "!=", "<", "<="] = ""
    template: str = ""

    @field_validator("value")
    @classmethod
    def _values_say_something(cls, value: list[str]) -> list[str]:
        if not value:
            raise problem("has no values, so nothing could ever pass", "list at least one value", kind=FaultKind.MISSING)
        if "" in value:
            raise problem(
                "has an empty value", 'write a regular expression that matches an empty text, "^$"', kind=FaultKind.MISSING
            )
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
            raise problem("compares nothing", "set type, subject, source or datacontenttype", kind=FaultKind.MISSING)
        return self


class ExprField(Model):
    """What a name of an expression stands for: the value at a gjson path of the data."""

    path: str = Field(min_length=1)
    name: str = Field(min_length=1)


class ExprFilter(Model):
    """One entry of `filters.exprs` (reference 4.4): a govaluate expression over its fields."""

    expr: str = Field(min_length=1)
    fields_: list[ExprField] = Field(alias="fields")

    @field_validator("fields_")
    @classmethod
    def _has_fields(cls, value: list[ExprField]) -> list[ExprField]:
        if not value:
            raise problem(
                "has no entries, so the expression would be skipped",
                "add the path and the name of each value that it uses",
                kind=FaultKind.MISSING,
            )
        return value


class TimeFilter(Model):
    """`filters.time` (reference 4.7): `start` ≤ the event's time of day < `stop`, both `HH:MM:SS` in `timezone` (default UTC)."""

    start: str
    stop: str
    timezone: str = ""


class GitFilter(Model):
    """`filters.git` (ours): which branches, tags and files a push concerns, in the words of GitHub Actions. `ignore` is `pathsIgnore`.

    `skipCI`: drop what says `[skip ci]`, `[ci skip]`, `[no ci]`, `[skip actions]`, `[actions skip]` or `skip-checks: true`.
    """

    branches: list[str] = Field(default_factory=list)
    branches_ignore: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    tags_ignore: list[str] = Field(default_factory=list)
    paths: list[str] = Field(default_factory=list)
    paths_ignore: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    skip_ci: bool = Field(default=False, alias="skipCI")

    @model_validator(mode="after")
    def _one_of_each_pair(self) -> GitFilter:
        if self.paths_ignore and self.ignore:
            raise problem("has both ignore and pathsIgnore, which are the same", "keep one")
        pairs = (
            ("branches", self.branches, self.branches_ignore),
            ("tags", self.tags, self.tags_ignore),
            ("paths", self.paths, self.paths_ignore or self.ignore),
        )
        for name, wanted, ignored in pairs:
            if wanted and ignored:
                raise problem(f"has both {name} and its opposite", f"keep {name} and take away with patterns that begin with !")
        if not (any(wanted or ignored for _, wanted, ignored in pairs) or self.skip_ci):
            raise problem("asks for nothing", "set branches, tags, paths, their opposites or skipCI", kind=FaultKind.MISSING)
        return self


class Filters(Model):
    """`filters` of a dependency. An absent kind counts as passed under `and`, and not at all under `or`."""

    exprs: list[ExprFilter] = Field(default_factory=list)
    expr_logical_operator: Operator = ""
    data: list[DataFilter] = Field(default_factory=list)
    data_logical_operator: Operator = ""
    context: ContextFilter | None = None
    time: TimeFilter | None = None
    git: GitFilter | None = None
    script: str = ""


class Transform(Model):
    """`transform` of a dependency (reference 4.2): rewrites the data before the filters see it; `jq` wins where both are set."""

    jq: str = ""
    script: str = ""


class Dependency(Model):
    """One entry of `dependencies`: an event of an EventSource, under a name of the sensor's own."""

    name: str = Field(min_length=1)
    event_source_name: str = Field(min_length=1)
    event_name: str = Field(min_length=1)
    filters: Filters | None = None
    filters_logical_operator: Operator = ""
    transform: Transform | None = None


class OpaqueTemplate(ConditionFields):
    """A template whose body is not looked at, but for when it fires."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)


class OpaqueTrigger(Model):
    """A trigger as this room sees it: a name, conditions, `once`, what tells its firings apart or gathers them, and a body for others."""

    model_config = ConfigDict(extra="allow")

    template: OpaqueTemplate
    once: Once | None = None
    order: Order | None = None
    concurrency: Concurrency | None = None
    debounce: DebounceField | None = None
    batch: Batch | None = None


TriggerT = TypeVar("TriggerT", bound=Model)


class SensorSpec(Model, Generic[TriggerT]):
    """`spec` of a Sensor. Pod-shaping fields are accepted and do nothing, but for `template.serviceAccountName`. Ours: `suspend`, and
    `onResume` (`replay`, `latest` or `drop`), for all triggers that do not say so themselves."""

    dependencies: list[Dependency]
    triggers: list[TriggerT]
    event_bus_name: str = "default"
    template: dict[str, Any] | None = None
    replicas: int | None = None
    revision_history_limit: int | None = None
    error_on_failed_round: bool | None = None
    logging_fields: dict[str, str] | None = None
    suspend: bool = False
    on_resume: OnResume = "replay"

    @field_validator("event_bus_name")
    @classmethod
    def _default_bus(cls, value: str) -> str:
        return value or "default"

    @field_validator("dependencies")
    @classmethod
    def _dependencies(cls, value: list[Dependency]) -> list[Dependency]:
        if not value:
            raise problem("has no entries, so the sensor could never fire", "add a dependency", kind=FaultKind.MISSING)
        _unique([dependency.name for dependency in value], "dependencies")
        return value

    @field_validator("triggers")
    @classmethod
    def _some_trigger(cls, value: list[TriggerT]) -> list[TriggerT]:
        if not value:
            raise problem("has no entries, so the sensor could never do anything", "add a trigger", kind=FaultKind.MISSING)
        return value


def _unique(names: Sequence[str], kind: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(
            f"names {', '.join(map(repr, twice))} more than once",
            f"give each of the {kind} a name of its own",
            kind=FaultKind.DUPLICATE_NAME,
        )
