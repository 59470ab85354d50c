"""`source.inline`: the object stands in the manifest, as YAML or JSON text. One object: argo-events reads no list of them either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from dispatcher.artifact import Artifact, one_object, parse_one, register_artifact
from dispatcher.trigger import Services
from tiphys.errors import FieldError

__all__ = ["Inline"]


@register_artifact
class Inline(Artifact):
    """The object as text, read when the manifest loads."""

    key: ClassVar[str] = "inline"
    value_type: ClassVar[Any] = str

    @classmethod
    def check(cls, value: str) -> list[FieldError]:
        """Text that is no YAML, or holds none or several objects."""
        _, faults = parse_one(value)
        return [
            FieldError("", f"{fault.where}: {fault.problem}" if fault.where else fault.problem, fault.remedy) for fault in faults
        ]

    @classmethod
    def known(cls, value: str) -> Mapping[str, Any] | None:
        """The object."""
        text, _ = parse_one(value)
        found: Mapping[str, Any] = orjson.loads(text)
        return found

    @classmethod
    async def read(cls, value: str, namespace: str, services: Services) -> bytes:
        """The object as JSON text."""
        return one_object(value, "source.inline")
