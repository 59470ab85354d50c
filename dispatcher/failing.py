"""Which triggers fail, and why: one log line when one starts to fail in a new way, one when it works again."""

from __future__ import annotations

import structlog

from tiphys.bus.firing import Claim, Outcome, OutcomeKind, TriggerKey

__all__ = ["Failing"]

_log = structlog.get_logger(__name__)


class Failing:
    """The triggers whose last outcome was no success, with its kind and reason."""

    def __init__(self) -> None:
        self._marks: dict[TriggerKey, str] = {}

    def __contains__(self, key: TriggerKey) -> bool:
        return key in self._marks

    def forget(self, key: TriggerKey) -> None:
        """The trigger is gone, or another one now."""
        self._marks.pop(key, None)

    def note(self, claim: Claim, outcome: Outcome) -> None:
        """What came of an attempt."""
        key = claim.firing.key
        if outcome.kind is OutcomeKind.SUCCEEDED:
            if self._marks.pop(key, ""):
                _log.info("a trigger works again", action="trigger-recovered", **key._asdict())
            return
        if outcome.kind is OutcomeKind.CANCELLED:
            return
        mark = f"{outcome.kind} {outcome.reason}"
        if self._marks.get(key) == mark:
            return
        self._marks[key] = mark
        dead = outcome.kind is OutcomeKind.DEAD
        _log.warning(
            "a firing is a dead letter" if dead else "a firing failed and is tried again",
            action="trigger-dead-letter" if dead else "trigger-failing",
            **key._asdict(),
            firing=claim.firing.id,
            attempt=claim.attempt,
            reason=outcome.reason,
            error=outcome.message,
        )
