"""What one search may cost. A path is a tenant's and a document may be hostile: together they can ask for more than there is."""

from __future__ import annotations

from typing import Final

from tiphys.errors import PathError

__all__ = ["MAX_NESTING", "MAX_WORK", "Budget"]

MAX_NESTING: Final = 200
"""Parts of a path within one another, counted as they are walked; also the depth of what `@pretty` lays out."""

MAX_WORK: Final = 64 * 1024 * 1024
"""Bytes that one search may go through or make. A document of 1 MiB can be gone through 64 times."""


class Budget:
    """Counts down. `path` is named when it runs out."""

    __slots__ = ("depth", "left", "path")

    def __init__(self, path: bytes) -> None:
        self.path, self.left, self.depth = path, MAX_WORK, 0

    def spend(self, size: int) -> None:
        """Take `size` bytes off. Raises `PathError`."""
        self.left -= size
        if self.left < 0:
            raise PathError(self._shown(), f"goes through more than {MAX_WORK:,} bytes", "use fewer modifiers, '#' or multipaths")

    def too_deep(self) -> PathError:
        """The error for nesting."""
        return PathError(self._shown(), f"goes more than {MAX_NESTING} levels deep", "use a shorter path")

    def _shown(self) -> str:
        return self.path.decode("utf-8", "replace")
