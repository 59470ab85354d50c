"""Firings that would be refused: the trigger is asked before there is one, so that the verdict says it and no work is made that must fail.

The events that the firing would have had are used up as if it had been one: the next events of the sensor do not meet a bad one for ever.
They stand in the refusal, and a replay of the event that completed them decides with them once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from sensors.holding import Arrival
from sensors.making import Making
from sensors.program import Check, TriggerProgram
from sensors.witnesses import events_of
from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.ledger import Ledger, Refusal
from tiphys.errors import TiphysError, TriggerError, UnknownRecord

__all__ = ["Refusing"]

_log = structlog.get_logger(__name__)
_LONGEST: Final = 1000


class Refusing:
    """Asks triggers about their firings. `clock` gives Unix seconds."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger, self._clock = ledger, clock
        self._said: set[TriggerKey] = set()

    async def refused(self, trigger: TriggerProgram, arrival: Arrival, making: Making) -> bool:
        """Whether the firing of an arrival is refused. If so, why is in `making`, and what is done instead."""
        firing, check = arrival.firing, trigger.check
        if firing is None or check is None:
            return False
        error = await self._refusal(check, firing, making)
        if error is None:
            if trigger.key in self._said:
                self._said.discard(trigger.key)
                _log.info("firings of a trigger are no longer refused", action="firing-accepted", trigger="/".join(trigger.key))
            return False
        if trigger.key not in self._said:
            self._said.add(trigger.key)
            _log.warning(
                "a firing is refused; `tiphys explain` says why",
                action="firing-refused",
                trigger="/".join(trigger.key),
                event_id=making.event.id,
                error=str(error)[:_LONGEST],
            )
        reason = error.reason if isinstance(error, TriggerError) else type(error).__name__
        text = error.problem if isinstance(error, TriggerError) else str(error)
        # with `once` a key would fire as often as it was refused, since a replay fires whatever has fired before
        heals = isinstance(error, TriggerError) and error.transient and trigger.once is None
        making.refusals.append(
            Refusal(trigger.key, firing.completed_by, reason, text[:_LONGEST], self._clock(), arrival.beside, heals)
        )
        making.use_up(arrival.beside, "refused", self._clock())
        making.firings.extend(check.instead(firing))
        return True

    async def _refusal(self, check: Check, firing: Firing, making: Making) -> TiphysError | None:
        try:
            events = await events_of(self._ledger, firing, making)
        except UnknownRecord:
            return None  # whoever claims the firing finds the same, and says so
        return check.refusal(events)
