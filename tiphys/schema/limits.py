"""`concurrency` and `order` of a trigger (ours), for the room that decides (whose firings share a key) and the one that acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from tiphys.schema.model import Model, problem

__all__ = ["Concurrency", "Order", "OrderByKey", "lane_key", "ordered"]

_KEY: Final = "{{ .push.body.repository.full_name }}"


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


def lane_key(order: str | OrderByKey | None, concurrency: Concurrency | None) -> str | None:
    """The template of the value by which a trigger's firings are told apart, if there is one."""
    if isinstance(order, OrderByKey):
        return order.key
    return concurrency.key if concurrency is not None else None


def ordered(order: str | OrderByKey | None) -> Literal["none", "strict", "key"]:
    """What an `order` asks for."""
    if isinstance(order, OrderByKey) or order == "key":
        return "key"
    return "strict" if order == "strict" else "none"
