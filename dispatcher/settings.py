"""What can be set about the dispatcher, and what it shows of itself."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.servers import ServerStats
from tiphys.bus.firing import TriggerKey

__all__ = ["DispatcherSettings", "DispatcherStats"]


@dataclass(frozen=True, slots=True)
class DispatcherSettings:
    """Limits: firings under way per trigger, and in all beside the first of each trigger; seconds for one attempt, and for which a claim
    holds between renewals."""

    per_trigger: int = 16
    in_all: int = 256
    attempt_seconds: float = 120.0
    lease: float = 60.0


@dataclass(frozen=True, slots=True)
class DispatcherStats:
    """What is going on: firings under way, claimed and waiting for a place, and the triggers that no manifest has."""

    under_way: int
    waiting: int
    unknown: tuple[TriggerKey, ...]
    servers: dict[str, ServerStats]
