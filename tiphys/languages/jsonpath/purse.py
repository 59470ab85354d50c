"""How much one path may look at: a wildcard in a filter below `..` has no end in practice."""

from __future__ import annotations

from typing import Final

__all__ = ["Purse", "Spent"]

STEPS: Final = 20_000
"""Values looked at, and eights of characters read."""


class Spent(Exception):  # noqa: N818  it says what happened, and becomes a GoError
    """Nothing is left. Unlike a GoError nobody passes it over."""


class Purse:
    """What is left of one query."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Pay. Raises `Spent`."""
        self.left -= steps
        if self.left < 0:
            raise Spent
