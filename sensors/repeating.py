"""`once`: a firing whose key has fired already is a verdict that names the earlier firing.

What is recorded is which key fired when; the time of a firing is the arrival of the event that completed it, so that a backlog is decided
as it would have been without one. A replay was asked for by somebody: it fires whatever the key says, and leaves the key's record alone.
"""

from __future__ import annotations

from dataclasses import replace

from sensors.making import Making
from sensors.program import TriggerProgram
from sensors.witnesses import events_of
from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Ledger, Once, Repeat, VerdictKind
from tiphys.errors import TemplateError, UnknownRecord

__all__ = ["Repeating"]


class Repeating:
    """Decides about the firings of triggers with `once`. Used for the decisions of one settle: it knows what is not in the ledger yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._fresh: dict[tuple[TriggerKey, str], Once] = {}

    async def decide(self, trigger: TriggerProgram, firing: Firing, making: Making) -> VerdictKind:
        """Put the firing in `making`, or why it is none."""
        if not trigger.keyed:
            making.firings.append(trigger.gathering(firing))
            return VerdictKind.FIRED
        try:
            events = await events_of(self._ledger, firing, making)
            if trigger.lane is not None:
                firing = replace(firing, lane=trigger.lane.render(events))
            text = trigger.once.render(events) if trigger.once is not None and not making.replay else ""
        except (TemplateError, UnknownRecord):
            return VerdictKind.ERRORED
        if trigger.once is None or not text:
            making.firings.append(trigger.gathering(firing))
            return VerdictKind.FIRED
        before = self._fresh.get((trigger.key, text)) or (await self._ledger.once(trigger.key, [text])).get(text)
        if before is not None and making.at < before.at + trigger.once.span:
            making.repeats.append(Repeat(trigger.key, before.firing))
            return VerdictKind.ONCE
        number = before.before + 1 if before is not None else 0
        identity = firing_id(*trigger.key, {}, once=f"{number}:{text}")
        once = Once(trigger.key, text, identity, making.at, making.at + trigger.once.span, number)
        self._fresh[trigger.key, text] = once
        making.once.append(once)
        making.firings.append(trigger.gathering(replace(firing, id=identity)))
        return VerdictKind.FIRED
