"""How long to wait between attempts (reference 3.1.4): `connectionBackoff`, `retryStrategy`, a policy's `backoff`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from tiphys.languages import duration
from tiphys.schema.amounts import Amount, Nanoseconds
from tiphys.schema.model import Model

__all__ = ["DEFAULT_STEPS", "LONGEST_WAIT", "Backoff"]

DEFAULT_STEPS: Final = 5
LONGEST_WAIT: Final = 7 * 24 * 3600.0
"""Seconds that no wait exceeds, however often it was multiplied."""


class Backoff(Model):
    """Waits that grow: `duration`, `duration × factor`, `duration × factor²` …, each with up to `jitter` times itself on top.

    `duration` is Go's text or nanoseconds (default 1 s); `factor` (default 1) and `jitter` (default 1) are numbers or text; `steps` is
    the number of attempts in all, not of repetitions: 0 or less means 5.
    """

    duration: Nanoseconds = Field(default=duration.SECOND, ge=0)
    factor: Amount = Field(default=1.0, ge=0)
    jitter: Amount = Field(default=1.0, ge=0)
    steps: int = 0

    @property
    def attempts(self) -> int:
        """Attempts in all, the first one included; at least 1."""
        return self.steps if self.steps > 0 else DEFAULT_STEPS

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after the attempt of that number (from 1) failed. `random` is drawn from 0 to 1 by the caller."""
        try:
            base = self.duration / duration.SECOND * self.factor ** (attempt - 1)
        except OverflowError:
            return LONGEST_WAIT
        return min(base + base * self.jitter * random, LONGEST_WAIT)
