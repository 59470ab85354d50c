"""The contract of an event log: what any broker can keep (DESIGN section 3).

`tests/bus/log_conformance.py` is the suite that every driver passes.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from tiphys.bus.event import Event

__all__ = ["Durability", "EventLog", "Stored"]


class Durability(enum.StrEnum):
    """What an acknowledged publish survives. `FSYNCED`: a power loss. `REPLICATED`: the loss of a machine. `SERVER_MEMORY`: neither."""

    FSYNCED = "fsynced"
    REPLICATED = "replicated"
    SERVER_MEMORY = "server-memory"


class Stored(NamedTuple):
    """An event in the log. Positions are positive and grow; `attempt` counts deliveries of it to a reader, from 1; `at` is when the log
    stored it (Unix seconds), which is when it arrived for whatever is decided by time."""

    position: int
    event: Event
    attempt: int = 1
    at: float = 0.0


class EventLog(ABC):
    """An ordered, durable log of events."""

    durability: Durability

    @abstractmethod
    async def publish(self, event: Event) -> int:
        """Append an event and return its position once it is durable.

        An id that is in the log already is appended again or answered with its first position; which, is the driver's choice: the
        Matcher decides about duplicates. If the caller is cancelled, the publish is either withdrawn or completes; it is never
        reported as refused and committed later.

        Raises `StoreUnavailable` if nothing was written.
        """

    @abstractmethod
    def read(self) -> AsyncIterator[Sequence[Stored]]:
        """Batches in order, from after the last acknowledged position, for ever; at least once. One reader at a time."""

    @abstractmethod
    async def ack(self, position: int) -> None:
        """Everything up to `position` was settled. A driver whose `Ledger.settle` moves the position itself does nothing here."""

    @abstractmethod
    async def end(self) -> int:
        """The position of the newest event, 0 for an empty log."""
