"""`source.resource`: the object stands in the manifest, as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dispatcher.artifact import Artifact, register_artifact, to_json
from dispatcher.trigger import Services

__all__ = ["Resource"]


@register_artifact
class Resource(Artifact):
    """The object as a map."""

    key: ClassVar[str] = "resource"
    value_type: ClassVar[Any] = dict[str, Any]

    @classmethod
    def known(cls, value: Any) -> Sequence[Mapping[str, Any]] | None:
        """The object itself."""
        return [value] if isinstance(value, Mapping) else None

    @classmethod
    async def read(cls, value: Any, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The map as JSON text."""
        return [to_json(value)]
