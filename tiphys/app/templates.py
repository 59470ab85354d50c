"""The WorkflowTemplates that manifests or the cluster have shown, and Tekton's Pipelines and Tasks among manifests: what they declare, for
checks when a Sensor loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dispatcher.pipelines import DeclaredRun, declared_run
from dispatcher.trigger import Declared
from dispatcher.workflowtemplates import declared_by

__all__ = ["RUN_KINDS", "TEMPLATE_KINDS", "KnownTemplates", "is_template"]

CLUSTER_KIND: Final = "ClusterWorkflowTemplate"
TEMPLATE_KINDS: Final = ("WorkflowTemplate", CLUSTER_KIND)
RUN_KINDS: Final = ("Pipeline", "Task")


def is_template(kind: str, obj: Mapping[str, Any]) -> bool:
    """Whether an object declares what a trigger may run."""
    return kind in TEMPLATE_KINDS or (kind in RUN_KINDS and str(obj.get("apiVersion")).startswith("tekton.dev/"))


class KnownTemplates:
    """Declarations by (namespace, name); those of a ClusterWorkflowTemplate stand under an empty namespace."""

    def __init__(self) -> None:
        self._declared: dict[tuple[str, str], Declared] = {}
        self._runs: dict[tuple[str, str, str], DeclaredRun] = {}

    def put(self, kind: str, namespace: str, name: str, obj: dict[str, Any]) -> bool:
        """A template is there or changed; says whether what it declares changed."""
        if kind in RUN_KINDS:
            runs, place = declared_run(obj), (kind, namespace, name)
            differs = self._runs.get(place) != runs
            self._runs[place] = runs
            return differs
        key = ("" if kind == CLUSTER_KIND else namespace, name)
        declared = declared_by(obj)
        changed = self._declared.get(key) != declared
        self._declared[key] = declared
        return changed

    def remove(self, kind: str, namespace: str, name: str) -> bool:
        """A template is gone; says whether it was known."""
        if kind in RUN_KINDS:
            return self._runs.pop((kind, namespace, name), None) is not None
        return self._declared.pop(("" if kind == CLUSTER_KIND else namespace, name), None) is not None

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        """`dispatcher.trigger.Templates`."""
        return self._declared.get(("" if cluster_scope else namespace, name))

    def declared_run(self, kind: str, namespace: str, name: str) -> DeclaredRun | None:
        """`dispatcher.pipelines.KnownRuns`."""
        return self._runs.get((kind, namespace, name))
