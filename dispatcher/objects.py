"""Making one Kubernetes object for one firing: name, labels, create, and looking for what an earlier attempt made.

Shared by the triggers that create objects. One object per firing (DESIGN section 3) rests on three things here: the name is derived from
the firing, the firing's id is a label of the object, and a 409 is answered by looking at whose object it is.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final

import orjson

from dispatcher.naming import FIRING_LABEL, SENSOR_LABEL, TIMESTAMP_LABEL, TRIGGER_LABEL, label_value, object_name
from dispatcher.retry import NAME_TAKEN
from dispatcher.trigger import Request, Work
from tiphys.bus.firing import Firing, Target
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import Refused, TriggerError

__all__ = ["create", "look", "request_for"]

# Kinds of Kubernetes itself that live outside of namespaces: needed only where no server can be asked (a dry run).
_CLUSTER_SCOPED: Final = frozenset({
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterWorkflowTemplate",
    "CustomResourceDefinition", "FlowSchema", "IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume",
    "PriorityClass", "PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
})  # fmt: skip


async def request_for(obj: KubeObject, work: Work, namespace: str, kube: Kube | None) -> Request:
    """The request that creates `obj`, which is completed in place: namespace, derived name, labels.

    `obj` has passed `dispatcher.artifact.as_object`; `namespace` is for one that names none. Raises `TriggerError`
    `InvalidObject`, and `ClientError` while the kind cannot be looked up.
    """
    firing = work.firing
    metadata = obj["metadata"] = dict(obj.get("metadata") or {})
    if await _namespaced(obj["apiVersion"], obj["kind"], kube):
        namespace = _text(metadata, "namespace") or namespace
        metadata["namespace"] = namespace
    else:
        namespace = ""
        metadata.pop("namespace", None)
    name = object_name(metadata, firing.id)
    if work.standing is not None and _place(work.standing) == (obj["apiVersion"], obj["kind"], namespace):
        name = work.standing.name
    metadata["name"] = name
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict):
        raise TriggerError("InvalidObject", "metadata.labels must be a map of texts")
    metadata["labels"] = {key: value for key, value in labels.items() if value is not None} | {
        SENSOR_LABEL: label_value(firing.key.sensor),
        TRIGGER_LABEL: label_value(work.trigger or firing.key.trigger),
        FIRING_LABEL: firing.id,
    }
    digest = hashlib.sha256(_canonical(obj)).hexdigest()
    return Request(Target(obj["apiVersion"], obj["kind"], namespace, name, digest), obj, obj)


async def create(kube: Kube | None, request: Request, firing: Firing, impersonate: str | None) -> Target:
    """Create the object of a request made by `request_for`. One that this firing made before counts as made.

    Raises what `Kube.create` does, and `TriggerError` `NameTaken` if somebody else's object has the name.
    """
    if kube is None:
        raise TriggerError(
            "NoCluster", "there is no Kubernetes API to create it in; start with --local or give a kubeconfig", transient=True
        )
    target = request.target
    metadata = request.body["metadata"]
    stamped = metadata["labels"] | {TIMESTAMP_LABEL: str(time.time_ns() // 1_000_000)}
    obj = request.body | {"metadata": metadata | {"labels": stamped}}
    try:
        await kube.create(obj, namespace=target.namespace or None, impersonate=impersonate)
    except Refused as refusal:
        if refusal.status != 409 or refusal.reason not in ("AlreadyExists", ""):
            raise
        found = await look(kube, target, firing)
        if found is None:  # deleted in between, or a name that is still going away: the next attempt will see
            raise TriggerError("NameBusy", f"{target} existed, and was gone a moment later", transient=True) from refusal
        return found
    return target


async def look(kube: Kube | None, target: Target, firing: Firing) -> Target | None:
    """The object with that target's name if this firing made it, `None` if there is none. Raises `TriggerError` `NameTaken`."""
    if kube is None:
        raise TriggerError(
            "NoCluster", "there is no Kubernetes API to look in; start with --local or give a kubeconfig", transient=True
        )
    found = await kube.get(target.api_version, target.kind, target.name, target.namespace or None)
    if found is None:
        return None
    owner = (found.get("metadata", {}).get("labels") or {}).get(FIRING_LABEL)
    if owner == firing.id:
        return target
    whose = f"firing {owner} made it" if owner else "it was not made by a firing"
    raise TriggerError(
        NAME_TAKEN,
        f"AlreadyExists: {target} is there and {whose}; use generateName for an object of each firing, or onConflict: skip",
    )


async def _namespaced(api_version: str, kind: str, kube: Kube | None) -> bool:
    if kube is None:
        return kind not in _CLUSTER_SCOPED
    return (await kube.resource(api_version, kind)).namespaced


def _place(target: Target) -> tuple[str, str, str]:
    return target.api_version, target.kind, target.namespace


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key) or ""
    if not isinstance(value, str):
        raise TriggerError("InvalidObject", f"metadata.{key} must be text; set it without useRawData")
    return value


def _canonical(obj: KubeObject) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
