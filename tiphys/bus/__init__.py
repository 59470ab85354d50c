"""The event bus: events and their ids, firings, the contracts of a log and of a ledger.

The parts are imported from their modules; what most callers need is here.
"""

from tiphys.bus.event import DEFAULT_BUS, NOT_JSON, Event
from tiphys.bus.firing import Claim, DependencyEvent, Firing, FiringState, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.identity import event_id, firing_id
from tiphys.bus.ledger import (
    Cursor,
    Decision,
    Deferred,
    Held,
    Kept,
    Ledger,
    Loss,
    Once,
    Refusal,
    Repeat,
    Trial,
    Verdict,
    VerdictKind,
)
from tiphys.bus.log import Durability, EventLog, Stored

__all__ = [
    "DEFAULT_BUS",
    "NOT_JSON",
    "Claim",
    "Cursor",
    "Decision",
    "Deferred",
    "DependencyEvent",
    "Durability",
    "Event",
    "EventLog",
    "Firing",
    "FiringState",
    "Held",
    "Kept",
    "Ledger",
    "Loss",
    "Once",
    "Outcome",
    "OutcomeKind",
    "Refusal",
    "Repeat",
    "Stored",
    "Target",
    "Trial",
    "TriggerKey",
    "Verdict",
    "VerdictKind",
    "event_id",
    "firing_id",
]
