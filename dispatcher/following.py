"""The firings that follow from an outcome, in the same step of the ledger."""

from __future__ import annotations

from dataclasses import replace

from tiphys.bus.firing import Firing, Outcome, OutcomeKind
from tiphys.bus.identity import firing_id

__all__ = ["follow_ups"]


def follow_ups(firing: Firing, outcome: Outcome, *, documents: int, has_dlq: bool) -> tuple[Firing, ...]:
    """The firing of the next object of its source, once this one is there (`documents` is how many it has); or that of the `dlqTrigger`, if
    this one is dead and its program has one (that of a `dlqTrigger` has none)."""
    ids = {name: seen.id for name, seen in firing.events.items()}
    if outcome.kind is OutcomeKind.SUCCEEDED and firing.document + 1 < documents:
        document = firing.document + 1
        number = firing_id(*firing.key, ids, replay=firing.replay, dlq=firing.dlq, document=document)
        return (replace(firing, id=number, document=document),)
    if outcome.kind is OutcomeKind.DEAD and has_dlq:
        number = firing_id(*firing.key, ids, replay=firing.replay, dlq=True)
        return (replace(firing, id=number, dlq=True, document=0, parent=firing.id),)
    return ()
