"""What comes of what arrives in a dry run: values, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Act", "Arrived", "Came", "StillHeld"]


@dataclass(frozen=True, slots=True)
class Act:
    """What a firing would do. `does` is a line for people (`create Workflow argo/ci-…`); `preview` is what the trigger would send: of a
    creation the object; `None` where `error` says why it cannot be made. `notes` say what the dry run could not know. `dlq`: it is what the
    trigger's `dlqTrigger` does. `unknown`: the service could do it, and only the dry run lacks what `error` names.
    `due`: when it is done, where that is later than what came (`debounce`, `batch`)."""

    sensor: str
    trigger: str
    firing: str
    completed_by: str
    does: str = ""
    preview: Any = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dlq: bool = False
    unknown: bool = False
    due: str = ""

    @property
    def is_object(self) -> bool:
        """Whether the preview is the very object that would be made."""
        return isinstance(self.preview, Mapping) and {"apiVersion", "kind"} <= self.preview.keys()

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        shown: dict[str, Any] = {"sensor": self.sensor, "trigger": self.trigger, "firing": self.firing, "does": self.does}
        shown |= {"dlq": True} if self.dlq else {}
        shown |= {"due": self.due} if self.due else {}
        if self.error:
            shown["error"] = self.error
        else:
            shown["object" if self.is_object else "request"] = self.preview
        for name, texts in (("warnings", self.warnings), ("notes", self.notes)):
            if texts:
                shown[name] = list(texts)
        return shown


@dataclass(frozen=True, slots=True)
class Came:
    """An event that came: what `explain` says of it (`tiphys.app.explanation`), and what the firings would do of which
    it is the last event. `position` is its place in the log."""

    explained: Mapping[str, Any]
    acts: Sequence[Act]
    position: int = 0

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        names = ("id", "namespace", "source", "event", "type", "time", "worldid", "data", "why", "verdicts")
        return {name: self.explained[name] for name in names} | {"firings": [act.shown() for act in self.acts]}


@dataclass(frozen=True, slots=True)
class Arrived:
    """One arrival. `answer` is the ingress's, of a request; `kept_back` is what the EventSource's filter said; `notes` are for people."""

    label: str
    at: str
    events: Sequence[Came]
    answer: tuple[int, str, str] | None = None
    kept_back: str = ""
    notes: Sequence[str] = field(default=())

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        shown: dict[str, Any] = {"given": self.label, "at": self.at}
        if self.answer is not None:
            shown["answer"] = dict(zip(("status", "reason", "body"), self.answer, strict=True))
        if self.kept_back:
            shown["keptBack"] = self.kept_back
        if self.notes:
            shown["notes"] = list(self.notes)
        return shown | {"events": [event.shown() for event in self.events]}


@dataclass(frozen=True, slots=True)
class StillHeld:
    """An event that waits at the end for others. `join` is the value that it is correlated by."""

    sensor: str
    trigger: str
    conditions: str
    dependency: str
    event: str
    at: str
    join: str = ""

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        shown = {"sensor": self.sensor, "trigger": self.trigger, "conditions": self.conditions, "dependency": self.dependency}
        return shown | {"event": self.event, "at": self.at} | ({"join": self.join} if self.join else {})
