"""The WorkflowTemplates that manifests or the cluster have shown: what they declare, for checks when a Sensor loads."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.trigger import Declared
from dispatcher.workflowtemplates import declared_by

__all__ = ["TEMPLATE_KINDS", "KnownTemplates"]

CLUSTER_KIND: Final = "ClusterWorkflowTemplate"
TEMPLATE_KINDS: Final = ("WorkflowTemplate", CLUSTER_KIND)


class KnownTemplates:
    """Declarations by (namespace, name); those of a ClusterWorkflowTemplate stand under an empty namespace."""

    def __init__(self) -> None:
        self._declared: dict[tuple[str, str], Declared] = {}

    def put(self, kind: str, namespace: str, name: str, obj: dict[str, Any]) -> bool:
        """A template is there or changed; says whether what it declares changed."""
        key = ("" if kind == CLUSTER_KIND else namespace, name)
        declared = declared_by(obj)
        changed = self._declared.get(key) != declared
        self._declared[key] = declared
        return changed

    def remove(self, kind: str, namespace: str, name: str) -> bool:
        """A template is gone; says whether it was known."""
        return self._declared.pop(("" if kind == CLUSTER_KIND else namespace, name), None) is not None

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        """`dispatcher.trigger.Templates`."""
        return self._declared.get(("" if cluster_scope else namespace, name))
