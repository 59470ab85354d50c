"""What an object's status says: argo-events' conditions (reference 8.1) and ours beside them.

`Accepted`: this version runs. `Listening` (EventSource): every entry hears its world. `Filtering` (EventSource): false while
a filter cannot be evaluated and drops what arrives. `Acting` (Sensor): it may act as its account. `Serving` (EventBus): what serves where
it asks for servers that are not run here. `Notices`: what its owner should
know. `Ready`: all of these are well, for `kubectl wait`. A condition that is false is bad news, whatever its type: Argo CD and other
readers of argo-events' statuses take it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eventsource.health import EntryHealth
from tiphys.app.catalog import Entry
from tiphys.app.notices import Notice
from tiphys.app.origins import Condition
from tiphys.errors import FaultKind

__all__ = ["conditions", "noticed"]

_ARGO: Final = {
    "EventBus": ("Configured",),
    "EventSource": ("SourcesProvided",),
    "Sensor": ("DependenciesProvided", "TriggersProvided"),
}
_REFUSED: Final = {
    "Configured": "InvalidSpec",
    "SourcesProvided": "InvalidEventSource",
    "DependenciesProvided": "InvalidDependencies",
    "TriggersProvided": "InvalidTriggers",
}


def conditions(entry: Entry, health: Sequence[EntryHealth] = (), account_problem: str = "") -> list[Condition]:
    """The conditions of one object; `health` is that of its entries, for an EventSource; `account_problem` why a Sensor may not act as
    its account."""
    problem = "\n".join(map(str, entry.errors))
    if problem:
        found = [Condition(name, "False", _REFUSED[name], problem) for name in _ARGO[entry.kind]]
        found.append(Condition("Accepted", "False", "Invalid", problem))
        running = "the version accepted before it still runs" if entry.revision else "nothing runs"
        found.append(
            Condition("Deployed", "True" if entry.revision else "False", "Running" if entry.revision else "Invalid", running)
        )
    else:
        found = [Condition(name, "True") for name in (*_ARGO[entry.kind], "Accepted")]
        found.append(Condition("Deployed", "True", "Running", "it runs in the process of Tiphys; no Deployment is made"))
    served = [one.text for one in entry.notices if one.kind is FaultKind.EMBEDDED_BUS]
    if served:
        found.append(Condition("Serving", "True", "EmbeddedLog", f"it {served[0]}"))
    ill = [one for one in health if one.state == "ill"]
    starting = [one for one in health if one.state == "starting"]
    if ill:
        text = "\n".join(f"{one.key}.{one.address.event}: {one.problem}" for one in ill)
        found.append(Condition("Listening", "False", "SourceIll", text))
    elif starting:
        names = ", ".join(f"{one.key}.{one.address.event}" for one in starting)
        found.append(Condition("Listening", "Unknown", "Starting", names))
    elif health:
        found.append(Condition("Listening", "True"))
    failing = [one for one in health if one.filtered and one.filtered.failing]
    if failing:
        text = "\n".join(f"{one.key}.{one.address.event}: {one.filtered.verdict}" for one in failing if one.filtered)
        found.append(Condition("Filtering", "False", "FilterFails", text))
    if account_problem:
        found.append(Condition("Acting", "False", "ImpersonationForbidden", account_problem))
    elif entry.kind == "Sensor" and entry.revision:
        found.append(Condition("Acting", "True"))
    told = [one for one in entry.notices if one.kind is not FaultKind.EMBEDDED_BUS]
    if told:
        found.append(noticed(told))
    return [*found, _ready(found)]


def noticed(notices: Sequence[Notice]) -> Condition:
    """What the owner should know, as a condition; its reason says whether any of it is a warning."""
    harmless = all(one.level == "information" for one in notices)
    text = "\n".join(f"{one.path}: {one.text}" for one in notices)
    return Condition("Notices", "True", "Information" if harmless else "Warnings", text)


def _ready(found: Sequence[Condition]) -> Condition:
    """The first that is not well says why."""
    ours = ("Accepted", "Listening", "Filtering", "Acting")
    for status in ("False", "Unknown"):
        for one in found:
            if one.status == status and one.type in ours:
                return Condition("Ready", one.status, one.reason, one.message)
    return Condition("Ready", "True")
