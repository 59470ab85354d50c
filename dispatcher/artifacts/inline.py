"""`source.inline`: the object stands in the manifest, as YAML or JSON text. One object: argo-events reads no list of them either."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

import orjson

from dispatcher.artifact import Artifact, register_artifact, to_json
from tiphys.errors import FieldError, TriggerError
from tiphys.schema.loader import load_documents

__all__ = ["Inline"]

_ONE: Final = "put each object into a trigger of its own"


@register_artifact
class Inline(Artifact):
    """The object as text, read when the manifest loads."""

    key: ClassVar[str] = "inline"
    value_type: ClassVar[Any] = str

    @classmethod
    def check(cls, value: str) -> list[FieldError]:
        """Text that is no YAML, or holds none or several objects."""
        _, faults = _read(value)
        return [
            FieldError("", f"{fault.where}: {fault.problem}" if fault.where else fault.problem, fault.remedy) for fault in faults
        ]

    @classmethod
    def known(cls, value: str) -> Mapping[str, Any] | None:
        """The object."""
        text, _ = _read(value)
        found: Mapping[str, Any] = orjson.loads(text)
        return found

    @classmethod
    async def read(cls, value: str) -> bytes:
        """The object as JSON text."""
        text, faults = _read(value)
        if faults:
            raise TriggerError("InvalidObject", f"source.inline: {faults[0]}")
        return text


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[bytes, tuple[FieldError, ...]]:
    """The object as JSON text, and what is wrong instead."""
    loaded = load_documents(text)
    if loaded.errors:
        return b"", loaded.errors
    if len(loaded.documents) != 1:
        number = len(loaded.documents)
        fault = FieldError(
            "", "holds no object" if number == 0 else f"holds {number} objects", "write one object" if number == 0 else _ONE
        )
        return b"", (fault,)
    return to_json(loaded.documents[0].object), ()
