"""Numbers that a manifest may write in more than one way (reference 3.1.4)."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.schema.model import problem

__all__ = ["Amount", "Nanoseconds"]


def _amount(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in value or value != value.strip():
        raise problem("must be a number", "write it as 1.5, with or without quotes")
    return number


def _nanoseconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return duration.parse(value)
    except DurationError as error:
        raise problem(f"is no duration: {error.problem}", error.remedy) from error


Amount = Annotated[float, BeforeValidator(_amount), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})]
"""A number, written as one or as text (`1.5`, `"1.5"`)."""

Nanoseconds = Annotated[int, BeforeValidator(_nanoseconds), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]
"""A duration: Go's text (`1m30s`) or a whole number of nanoseconds."""
