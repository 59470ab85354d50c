"""`concurrency`, `order`, `debounce` and `batch` of a trigger (ours), for the room that decides and the one that acts.

A trigger has one key by which its firings are told apart; every limit that names one names the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.schema.model import Model, problem
from tiphys.schema.once import Once

__all__ = [
    "MOST_GATHERED",
    "Batch",
    "Concurrency",
    "Debounce",
    "DebounceField",
    "Limits",
    "OnResume",
    "Order",
    "OrderByKey",
    "keys",
    "ordered",
]

MOST_GATHERED: Final = 1000
"""The most completions in one batch."""

_KEY: Final = "{{ .push.body.repository.full_name }}"
_EXAMPLE: Final = "write it as 30s, 5m or 1h30m"


class Concurrency(Model):
    """`concurrency`: at most `max` (default 1) Workflows of the trigger run at a time; with `key`, a template as in `once`, at most so many
    with the same value. `policy` says what becomes of a firing that would be one too many: `queue` (default): it waits; `replace`: the
    oldest that runs is terminated, and it starts when that has ended; `skip`: it ends without having done anything."""

    max: int = 1
    key: str | None = Field(default=None, min_length=1)
    policy: Literal["queue", "replace", "skip"] = "queue"

    @field_validator("max")
    @classmethod
    def _some(cls, value: int) -> int:
        if value < 1:
            raise problem("must be at least 1", "write how many may run at a time; suspend: true lets none run")
        return value


class OrderByKey(Model):
    """`order: {key: …}`: firings for which the template gives the same value are carried out in order."""

    key: str = Field(min_length=1)


def _order(value: Any) -> Any:
    if isinstance(value, Mapping):
        if not isinstance(value.get("key"), str) or not value["key"]:
            raise problem("needs a key, a template", f"write {{key: '{_KEY}'}}")
        return value
    if value not in ("none", "strict", "key"):
        raise problem("must be none, strict, key or a map with a key", f"write strict, or {{key: '{_KEY}'}}")
    return value


Order = Annotated[
    str | OrderByKey,
    BeforeValidator(_order),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["none", "strict", "key"]},
                {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
            ]
        }
    ),
]
"""`none` (default): firings start in the order of their decision and may overtake each other. `strict`: each waits for the end of the one
before. `{key: template}`: those with the same value do. `key`: the same with the key of `concurrency`."""


def _wait(value: Any) -> Any:
    if not isinstance(value, str):
        raise problem("must be a duration", _EXAMPLE)
    try:
        nanoseconds = duration.parse(value)
    except DurationError as error:
        raise problem(f"is no duration: {error.problem}", error.remedy) from error
    if nanoseconds <= 0:
        raise problem("must be longer than nothing", _EXAMPLE)
    return value


OnResume = Literal["replay", "latest", "drop"]
"""What becomes of what came up while a trigger was suspended: all of it is carried out (`replay`), only the newest, or nothing."""

Wait = Annotated[str, BeforeValidator(_wait), WithJsonSchema({"type": "string"})]


class Debounce(Model):
    """`debounce`: completions of the condition that come less than `wait` after each other make one firing, with the events of the last, so
    long after it; `max` after the first at the latest (not given: without end). With `key`, a template as in `once`, for each value apart.
    `debounce: 30s` is short for `{wait: 30s}`."""

    wait: Wait
    max: Wait | None = None
    key: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _longer(self) -> Debounce:
        if self.max is not None and duration.seconds(self.max) < duration.seconds(self.wait):
            raise problem("has a max that is shorter than its wait", "make max longer, or leave it out")
        return self


class Batch(Model):
    """`batch`: completions of the condition make one firing, `size` of them (2 to 1000), or as many as there are `wait` after the first. It
    has all their events; those of each dependency, the oldest first, are what parameters find under `all`. With `key`, a template as in
    `once`, for each value apart."""

    size: int
    wait: Wait
    key: str | None = Field(default=None, min_length=1)

    @field_validator("size")
    @classmethod
    def _some(cls, value: int) -> int:
        if not 2 <= value <= MOST_GATHERED:
            raise problem(f"must be from 2 to {MOST_GATHERED}", "write how many completions make one firing")
        return value


def _debounce(value: Any) -> Any:
    return {"wait": value} if isinstance(value, str) else value


DebounceField = Annotated[
    Debounce, BeforeValidator(_debounce), WithJsonSchema({"anyOf": [{"type": "string"}, Debounce.model_json_schema()]})
]


class Limits(Protocol):
    """What both rooms read of a trigger."""

    @property
    def order(self) -> str | OrderByKey | None:
        """As in the manifest."""

    @property
    def concurrency(self) -> Concurrency | None:
        """As in the manifest."""

    @property
    def debounce(self) -> Debounce | None:
        """As in the manifest."""

    @property
    def batch(self) -> Batch | None:
        """As in the manifest."""

    @property
    def once(self) -> Once | None:
        """As in the manifest."""


def keys(limits: Limits) -> Mapping[str, str]:
    """The templates by which a trigger's firings are told apart, by the path of the field that names them."""
    named = {
        "order.key": limits.order.key if isinstance(limits.order, OrderByKey) else None,
        "concurrency.key": limits.concurrency.key if limits.concurrency is not None else None,
        "debounce.key": limits.debounce.key if limits.debounce is not None else None,
        "batch.key": limits.batch.key if limits.batch is not None else None,
    }
    return {path: key for path, key in named.items() if key is not None}


def ordered(order: str | OrderByKey | None) -> Literal["none", "strict", "key"]:
    """What an `order` asks for."""
    if isinstance(order, OrderByKey) or order == "key":
        return "key"
    return "strict" if order == "strict" else "none"
