"""What the dispatcher tells whoever counts or shows it: the roof's metrics, the demo, tests."""

from __future__ import annotations

from dispatcher.program import TriggerProgram
from tiphys.bus.firing import Claim, Outcome

__all__ = ["Observer"]


class Observer:
    """Hears of every attempt; what a subclass does not override does nothing. Methods must be quick and must not raise."""

    def attempted(self, program: TriggerProgram, claim: Claim, outcome: Outcome, seconds: float) -> None:
        """An attempt is over and its outcome recorded. `program.name` is the name for metrics, `seconds` what it took.

        `SUCCEEDED` counts as argo-events' `action_triggered_total` (with `outcome.result` for what was made), all others but `CANCELLED` as
        `action_failed_total`, and `DEAD` as `action_retries_failed_total` too.
        """

    def unknown_trigger(self, claim: Claim) -> None:
        """A firing waits because no manifest has its trigger now."""
