"""The contract of where manifests come from (DESIGN section 4).

An origin tells its sink what is there: first everything it has, then `synced`, then each change as it happens, for ever. A failed
list or watch is never an empty one: while an origin cannot see, it says nothing, and what it said last stands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol

from tiphys.errors import FieldError
from tiphys.schema.loader import Document

__all__ = ["Key", "Origin", "Sink"]

Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class Sink(Protocol):
    """Who hears of an origin. `origin` is the origin's `name`."""

    async def put(self, document: Document, origin: str) -> None:
        """An object is there, or has changed. Objects of every kind come."""

    async def delete(self, kind: str, namespace: str, name: str, origin: str) -> None:
        """An object is gone."""

    async def unreadable(self, errors: Collection[FieldError], origin: str) -> None:
        """A text could not be read; the objects that it held last time stand."""

    async def synced(self, origin: str, present: Collection[Key]) -> None:
        """Everything that the origin has was told; what it had before and is not in `present` is gone. Also after each re-list."""


class Origin(ABC):
    """A place that manifests come from. `name` is unique and stable over restarts: kept manifests remember it."""

    name: str

    @abstractmethod
    async def run(self, sink: Sink) -> None:
        """Tell the sink until cancelled. Troubles of the place itself are logged once and retried with back-off, for ever."""
