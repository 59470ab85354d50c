"""`source.inline`: the objects stand in the manifest, as YAML or JSON text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from dispatcher.artifact import Artifact, objects_of, parse_objects, register_artifact
from dispatcher.trigger import Services
from tiphys.errors import FieldError

__all__ = ["Inline"]


@register_artifact
class Inline(Artifact):
    """The objects as text, read when the manifest loads."""

    key: ClassVar[str] = "inline"
    value_type: ClassVar[Any] = str

    @classmethod
    def check(cls, value: str) -> list[FieldError]:
        """Text that is no YAML, or holds no object."""
        _, faults = parse_objects(value)
        return [
            FieldError("", f"{fault.where}: {fault.problem}" if fault.where else fault.problem, fault.remedy) for fault in faults
        ]

    @classmethod
    def known(cls, value: str) -> Sequence[Mapping[str, Any]] | None:
        """The objects."""
        return [orjson.loads(text) for text in parse_objects(value)[0]]

    @classmethod
    async def read(cls, value: str, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts."""
        return await objects_of(value, "source.inline", transient=False)
