"""`once` of a trigger (ours): what has the same key fires once, for the room that decides and the one that acts."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.schema.model import Model, problem

__all__ = ["DEFAULT_SPAN", "Once"]

DEFAULT_SPAN: Final = "24h"
_EXAMPLE: Final = "write it as 24h, 90m or 30s"


def _span(value: Any) -> Any:
    if not isinstance(value, str):
        raise problem("must be a duration", _EXAMPLE)
    try:
        nanoseconds = duration.parse(value)
    except DurationError as error:
        raise problem(f"is no duration: {error.problem}", error.remedy) from error
    if nanoseconds <= 0:
        raise problem("must be longer than nothing", _EXAMPLE)
    return value


class Once(Model):
    """`key` is a template over the data of the firing's events by dependency name, as in the short form of a `workflow` trigger:
    `{{ .push.body.after }}`. A key that has fired does not fire again `for` so long (default 24h)."""

    key: str = Field(min_length=1)
    for_: Annotated[str, BeforeValidator(_span), WithJsonSchema({"type": "string"})] = Field(default=DEFAULT_SPAN, alias="for")
