"""Who counts: the roof's metrics, seen from here."""

from __future__ import annotations

from typing import Protocol

from eventsource.source import Address

__all__ = ["Observer", "Unobserved"]


class Observer(Protocol):
    """Told of every answer, once, after it was decided. Must not block or raise."""

    def answered(self, address: Address | None, status: int, reason: str, seconds: float, size: int) -> None:
        """`address` is `None` where no route was found; `reason` is the answer's one word; `size` the body's bytes that were read."""


class Unobserved:
    """Counts nothing."""

    def answered(self, address: Address | None, status: int, reason: str, seconds: float, size: int) -> None:
        """Nothing."""
