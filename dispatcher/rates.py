"""`rateLimit` of a trigger (reference 6.5.3): how many requests it sends per unit of time.

Where argo-events spaces executions evenly and lets a burst of eleven through after a quiet time, here the number holds for every window
of the unit: three per minute means that no minute has a fourth. What exceeds it waits in the ledger, in order, and is never lost. The
ledger remembers when attempts began, so that a restart does not begin to count anew.

An attempt counts from the moment at which its request was answered, at most a tenth of the unit after it started: what the target sees
keeps to the limit although requests take their time. Where there is time for it (up to ten per second) each waits for the answer to the
one before, for a tenth of its share of the unit at most: what goes out at such a pace arrives in order.

Instants are kept to a thousandth of the unit, so that a limit of a million per hour takes no more memory than one of three.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from pydantic import Field, field_validator

from dispatcher.gates import Gate
from tiphys.bus.firing import Claim, TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.schema.model import Model, problem

__all__ = ["RateGate", "RateLimit"]

_SPANS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_KNOWN_THERE: Final = ("", "Second", "Minute", "Hour")
_GRAINS: Final = 1000
_SHARE: Final = 0.1
_LATER: Final = 0.01  # of a grain: rounding must not make an alarm ring too early


class RateLimit(Model):
    """`rateLimit`: `requestsPerUnit` attempts in any window of one `unit`: `Second` (default), `Minute` or `Hour`; ours: `Day`.

    Attempts count, so a firing that is tried again counts again. A unit that nobody knows counts as a second, as in argo-events.
    """

    unit: str = Field(default="Second", json_schema_extra={"examples": ["Second", "Minute", "Hour", "Day"]})
    requests_per_unit: int

    @field_validator("requests_per_unit")
    @classmethod
    def _some(cls, value: int) -> int:
        if value <= 0:
            raise problem("must be at least 1", "write how many requests may be made in one unit, or leave rateLimit out")
        return value

    @property
    def span(self) -> float:
        """The unit in seconds."""
        return _SPANS.get(self.unit.lower(), 1.0)

    @property
    def notice(self) -> str:
        """What its owner should know of the unit; empty: nothing."""
        if self.unit in _KNOWN_THERE:
            return ""
        if self.unit.lower() in _SPANS:
            return f"{self.unit!r} is unknown to argo-events, which counts by the second; here it is {self.span:g} s"
        return f"{self.unit!r} is no unit, so it counts by the second, as in argo-events; write Second, Minute, Hour or Day"

    def __str__(self) -> str:
        unit = self.unit.capitalize() if self.unit.lower() in _SPANS else "Second"
        return f"{self.requests_per_unit} per {unit}"


class RateGate(Gate):
    """The limit of one trigger while it is applied."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.remembered = self._span = limit.span
        self._grain = self._span / _GRAINS
        # how many attempts count by the grain at which they do, and the grain of each that is under way
        self._counts: dict[int, int] = {}
        self._under_way: dict[int, int] = {}
        self._total = 0
        self._oldest = 0
        share = self._span / limit.requests_per_unit
        self._pace = share / 10 if share >= _SHARE else 0.0
        self._last, self._last_start = 0, -math.inf

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RateGate) and other.limit == self.limit

    def __hash__(self) -> int:
        return hash((self._span, self.limit.requests_per_unit))

    async def load(self, ledger: Ledger, key: TriggerKey) -> None:
        """As `Gate.load`."""
        ages = await ledger.begun(key, self._span)
        now = asyncio.get_running_loop().time()
        for age in ages:
            self._count(self._at(now - age), 1)

    def room(self, now: float) -> int:
        """As `Gate.room`."""
        self._expire(now)
        free = self.limit.requests_per_unit - self._total
        return free if not self._pace or free <= 0 else 0 if self._unanswered(now) else 1

    def opens(self, now: float) -> float:
        """As `Gate.opens`."""
        excess = self._total - self.limit.requests_per_unit
        if excess < 0:
            return self._last_start + self._pace
        for grain in sorted(self._counts):
            excess -= self._counts[grain]
            if excess < 0:
                return (grain + _LATER) * self._grain + self._span
        return math.inf

    def started(self, claim: Claim, now: float) -> None:
        """As `Gate.started`. A dead letter's own firing goes somewhere else."""
        if claim.firing.dlq:
            return
        self._last, self._last_start = claim.token, now
        grain = self._under_way[claim.token] = self._at(now + self._span / 10)
        self._count(grain, 1)

    def ended(self, claim: Claim, now: float, *, began: bool) -> None:
        """As `Gate.ended`."""
        grain = self._under_way.pop(claim.token, None)
        if grain is None:
            return
        if not began:
            self._count(grain, -1)
        elif (answered := self._at(now)) < grain:
            self._count(grain, -1)
            self._count(answered, 1)

    def why(self, now: float) -> tuple[str, float]:
        """As `Gate.why`."""
        return f"rateLimit: {self.limit}", self.opens(now)

    def _unanswered(self, now: float) -> bool:
        """Whether the one before is still waited for."""
        return self._last in self._under_way and now < self._last_start + self._pace

    def _at(self, instant: float) -> int:
        return math.ceil(instant / self._grain)

    def _count(self, grain: int, change: int) -> None:
        left = self._counts.get(grain, 0) + change
        if left > 0:
            self._counts[grain] = left
            self._oldest = min(self._oldest, grain) if self._total else grain
        elif grain in self._counts:
            del self._counts[grain]
        self._total = max(0, self._total + change)

    def _expire(self, now: float) -> None:
        """Forget what no longer counts."""
        first = math.floor((now - self._span) / self._grain)
        if not self._total or self._oldest > first:
            return
        for grain in [one for one in self._counts if one <= first]:
            self._total -= self._counts.pop(grain)
        self._oldest = min(self._counts, default=0)
