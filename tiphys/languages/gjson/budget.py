"""What one search may cost. A path is a tenant's and a document may be hostile: together they can ask for more than there is."""

from __future__ import annotations

from typing import Final

from tiphys.errors import PathError

__all__ = ["MAX_NESTING", "MIN_WORK", "PASSES", "Budget"]

MAX_NESTING: Final = 200
"""Parts of a path within one another, as they are walked: a `#`, query, pipe or multipath counts for four, and so, for two, does a level of
what `@pretty` lays out."""

MIN_WORK: Final = 8 * 1024 * 1024
"""Bytes that one search may go through or make, at least."""

PASSES: Final = 16
"""How often it may go through a document that is larger than `MIN_WORK` / `PASSES`."""


class Budget:
    """Counts down. `path` is named when it runs out, `size` is that of the document."""

    __slots__ = ("depth", "left", "path")

    def __init__(self, path: bytes, size: int) -> None:
        self.path, self.left, self.depth = path, max(MIN_WORK, PASSES * size), 0

    def spend(self, size: int) -> None:
        """Take `size` bytes off. Raises `PathError`."""
        self.left -= size
        if self.left < 0:
            raise PathError(self._shown(), "goes through the document too often", "use fewer modifiers, '#' or multipaths")

    def enter(self, levels: int) -> None:
        """Go deeper. Raises `PathError`."""
        self.depth += levels
        if self.depth > MAX_NESTING:
            raise PathError(self._shown(), f"goes more than {MAX_NESTING} levels deep", "use a shorter path, or flatter data")

    def _shown(self) -> str:
        return self.path.decode("utf-8", "replace")
