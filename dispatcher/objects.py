"""Making one Kubernetes object for one firing: name, labels, create, and looking for what an earlier attempt did.

Shared by the triggers that create objects; `dispatcher.changes` is for those that change them. One object per firing (DESIGN section 3)
rests on three things here: the name is derived from the firing, the firing's id is a label of the object, and a 409 is answered by looking
at whose object it is.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final

import orjson

from dispatcher.naming import (
    FIRING_LABEL,
    LANE_LABEL,
    LAST_FIRING,
    SENSOR_LABEL,
    TIMESTAMP_LABEL,
    TRIGGER_LABEL,
    label_value,
    object_name,
)
from dispatcher.retry import NAME_TAKEN
from dispatcher.trigger import Request, Work
from tiphys.bus.firing import Firing, Target
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import Refused, TriggerError

__all__ = ["CLUSTER_SCOPED", "cluster", "create", "look", "place", "request_for"]

# Kinds of Kubernetes itself that live outside of namespaces: needed only where no server can be asked (a dry run).
CLUSTER_SCOPED: Final = frozenset({
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterWorkflowTemplate",
    "CustomResourceDefinition", "FlowSchema", "IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume",
    "PriorityClass", "PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
})  # fmt: skip


async def place(obj: KubeObject, namespace: str, kube: Kube | None) -> KubeObject:
    """The object with the namespace that it lives in: its own, else `namespace`, and none for a kind outside of them.

    `obj` has passed `dispatcher.artifact.as_object` and is left alone. Raises `TriggerError` `InvalidObject`, and `ClientError` while the
    kind cannot be looked up.
    """
    metadata = dict(obj.get("metadata") or {})
    if await _namespaced(obj["apiVersion"], obj["kind"], kube):
        metadata["namespace"] = _text(metadata, "namespace") or namespace
    else:
        metadata.pop("namespace", None)
    return obj | {"metadata": metadata}


async def request_for(obj: KubeObject, work: Work, namespace: str, kube: Kube | None) -> Request:
    """The request that creates `obj`, completed by its namespace, a derived name and labels. Arguments and errors as for `place`."""
    firing = work.firing
    obj = await place(obj, namespace, kube)
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    name = object_name(metadata, firing.id)
    if work.standing is not None and _place(work.standing) == (obj["apiVersion"], obj["kind"], namespace, ""):
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
    metadata["labels"].pop(LANE_LABEL, None)  # one that was resubmitted has that of the old one
    if work.lane:
        metadata["labels"][LANE_LABEL] = work.lane
    digest = hashlib.sha256(_canonical(obj)).hexdigest()
    return Request(Target(obj["apiVersion"], obj["kind"], namespace, name, digest), obj, obj)


def cluster(kube: Kube | None) -> Kube:
    """The API to act in. Raises `TriggerError` `NoCluster` where there is none."""
    if kube is None:
        raise TriggerError(
            "NoCluster", "there is no Kubernetes API to act in; start with --local or give a kubeconfig", transient=True
        )
    return kube


async def create(kube: Kube | None, request: Request, firing: Firing, impersonate: str | None) -> Target:
    """Create the object of a request made by `request_for`. One that this firing made before counts as made.

    Raises what `Kube.create` does, and `TriggerError` `NameTaken` if somebody else's object has the name.
    """
    kube = cluster(kube)
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
    """The target if an earlier attempt of this firing did what it says, `None` if not. Raises `TriggerError` `NameTaken` where an object
    was to be made and somebody else's is in its place."""
    found = await cluster(kube).get(target.api_version, target.kind, target.name, target.namespace or None)
    metadata = (found or {}).get("metadata") or {}
    if target.operation == "delete":
        gone = found is None or "deletionTimestamp" in metadata or (target.uid and metadata.get("uid") != target.uid)
        return target if gone else None
    if found is None:
        return None
    if target.operation:
        return target if (metadata.get("annotations") or {}).get(LAST_FIRING) == firing.id else None
    owner = (metadata.get("labels") or {}).get(FIRING_LABEL)
    if owner == firing.id:
        return target
    whose = f"firing {owner} made it" if owner else "it was not made by a firing"
    raise TriggerError(
        NAME_TAKEN,
        f"AlreadyExists: {target} is there and {whose}; use generateName for an object of each firing, or onConflict: skip",
    )


async def _namespaced(api_version: str, kind: str, kube: Kube | None) -> bool:
    if kube is None:
        return kind not in CLUSTER_SCOPED
    return (await kube.resource(api_version, kind)).namespaced


def _place(target: Target) -> tuple[str, str, str, str]:
    return target.api_version, target.kind, target.namespace, target.operation


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key) or ""
    if not isinstance(value, str):
        raise TriggerError("InvalidObject", f"metadata.{key} must be text; set it without useRawData")
    return value


def _canonical(obj: KubeObject) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
