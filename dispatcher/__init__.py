"""The room that acts: takes firings from the ledger, renders what their triggers ask for, does it. It knows no source and no filter."""

from dispatcher import artifacts, triggers
from dispatcher.limits import Pace
from dispatcher.manifest import TriggerSpec, check, notices, trigger_model
from dispatcher.observer import Observer
from dispatcher.program import TriggerProgram, render
from dispatcher.queue import Dispatcher, DispatcherSettings, DispatcherStats, ServerStats
from dispatcher.trigger import Declared, Notice, Request, Services, Templates, Trigger, Work, registered

__all__ = [
    "Declared",
    "Dispatcher",
    "DispatcherSettings",
    "DispatcherStats",
    "Notice",
    "Observer",
    "Pace",
    "Request",
    "ServerStats",
    "Services",
    "Templates",
    "Trigger",
    "TriggerProgram",
    "TriggerSpec",
    "Work",
    "artifacts",
    "check",
    "notices",
    "registered",
    "render",
    "trigger_model",
    "triggers",
]
