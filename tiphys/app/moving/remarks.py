"""What there is to say about an object that moves, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tiphys.schema.loader import Document

__all__ = ["BOOKKEEPING", "FINALIZERS", "Moved", "Remark", "Weight", "bare_metadata"]

Weight = Literal["by hand", "differs", "note"]
BOOKKEEPING: Final = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "ownerReferences")
FINALIZERS: Final = ("eventsource-controller", "sensor-controller", "eventbus-controller")
"""What argo-events' controllers put on their objects, and nobody takes off when they are gone."""
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of the report. `by hand`: what is written is not all of it, or nothing is written; `differs`: it runs, and this is
    otherwise; `note`: worth knowing. `path` is of the object that was read."""

    weight: Weight
    path: str
    text: str
    remedy: str = ""
    where: str = ""


@dataclass(slots=True)
class Moved:
    """An object that was read, the objects that take its place (none if there is nothing to write), and the remarks."""

    document: Document
    kind: str
    namespace: str
    name: str
    objects: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def say(self, weight: Weight, path: str, text: str, remedy: str = "") -> None:
        """Add a remark about a field of the object."""
        self.remarks.append(Remark(weight, path, text, remedy, self.document.where(path)))

    @property
    def ready(self) -> bool:
        """Whether what is written can be applied as it is."""
        return all(remark.weight != "by hand" for remark in self.remarks)

    def becomes(self) -> Iterator[str]:
        """`Kind name` of what takes its place."""
        for obj in self.objects:
            yield f"{obj['kind']} {obj['metadata']['name']}"


def bare_metadata(metadata: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Metadata as a person would have written it, without what servers and kubectl keep in it."""
    kept = {key: value for key, value in metadata.items() if key not in BOOKKEEPING}
    kept["namespace"] = namespace
    finalizers = [one for one in kept.pop("finalizers", None) or () if one not in FINALIZERS]
    if finalizers:
        kept["finalizers"] = finalizers
    annotations = {key: value for key, value in (kept.get("annotations") or {}).items() if key != _LAST_APPLIED}
    kept.pop("annotations", None)
    return {**kept, "annotations": annotations} if annotations else kept
