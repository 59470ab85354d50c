"""Changing a Kubernetes object that is there: update, patch and delete, and knowing afterwards whether it was done.

The object is read first, and what is sent carries what was read as its precondition: a replacement the resourceVersion, a patch and a
deletion the uid, a JSON patch (whose steps mean nothing on another version) both. Somebody else's change in between is a 409, and the next
attempt reads anew. A change writes the firing's id into an annotation of the object, in the same request: so an attempt whose answer was
lost is recognised, and not repeated over what others did since. A deletion is recognised by the object being gone, or another having its
name.

What is to be updated or patched and is not there is made, as in argo-events. A server-side apply does that by itself, and has to: what was
made otherwise would for ever have an owner of its fields beside it. Each trigger applies as a field manager of its own, so that none takes
away what another one has applied to the same object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from dispatcher import objects
from dispatcher.naming import FIRING_LABEL, LAST_FIRING
from dispatcher.trigger import Request, Work
from tiphys.bus.firing import Firing, Target
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import Refused, TriggerError

__all__ = [
    "APPLY",
    "JSON_PATCH",
    "MERGE_PATCH",
    "STRATEGIC_MERGE",
    "delete",
    "execute",
    "merged",
    "patch",
    "read",
    "replacement",
    "small_patch",
    "update",
]

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC_MERGE: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_LONGEST_MANAGER: Final = 128  # as the API server has it


async def read(kube: Kube | None, obj: Mapping[str, Any], impersonate: str | None) -> KubeObject | None:
    """The object of that kind, namespace and name as it is now; `None` if there is none, or no server to ask (a dry run)."""
    if kube is None:
        return None
    metadata = obj["metadata"]
    return await kube.get(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace"), impersonate=impersonate)


async def update(
    obj: KubeObject, work: Work, kube: Kube | None, impersonate: str | None, live: KubeObject | None = None
) -> Request:
    """The request that replaces the object by itself with `obj` merged over it, or makes it. `live`: it has been read.

    `obj` has its namespace and a name (`objects.place`). Raises `ClientError`.
    """
    found = live or await read(kube, obj, impersonate)
    if found is None and kube is not None:
        return _creation(obj, work)
    return replacement(merged(found or {}, obj), found or {}, work.firing)


def replacement(obj: KubeObject, found: Mapping[str, Any], firing: Firing) -> Request:
    """The request that puts `obj`, which has the resourceVersion of what was read, in the place of `found`."""
    body = _marked(obj, firing)
    return _request("update", obj, found, body, body)


def small_patch(found: KubeObject, changed: Mapping[str, Any] | None, firing: Firing) -> Request:
    """The request for a merge patch of an object that was read, on that very version of it; `None`: nothing is to be done."""
    if changed is None:
        return _request("patch", found, found, None, None, MERGE_PATCH)
    metadata = found["metadata"]
    precondition = {key: metadata[key] for key in ("uid", "resourceVersion") if metadata.get(key)}
    mark = {"annotations": {LAST_FIRING: firing.id}}
    body = {**changed, "metadata": {**(changed.get("metadata") or {}), **precondition, **mark}}
    return _request("patch", found, found, body, body, MERGE_PATCH)


async def patch(obj: KubeObject, strategy: str, work: Work, kube: Kube | None, impersonate: str | None) -> Request:
    """The request that patches the object with `obj` itself, or with its list `patch` if `strategy` is a JSON patch; or makes it.

    Raises `ClientError`, and `TriggerError` `NotFound` for a JSON patch of what is not there.
    """
    steps = obj.pop("patch", None) if strategy == JSON_PATCH else None
    found = await read(kube, obj, impersonate)
    if found is None and kube is not None and strategy != APPLY:
        if strategy == JSON_PATCH:
            raise TriggerError(
                "NotFound", f"there is no {_title(obj)} to patch, and a list of steps cannot make it", transient=True
            )
        return _creation(obj, work)
    found = found or {}
    if strategy == JSON_PATCH:
        listed = _steps(steps, found, work.firing)
        return _request("patch", obj, found, listed, listed, strategy)
    body = _marked(obj, work.firing)
    if uid := _uid(found):
        body["metadata"]["uid"] = uid
    return _request("patch", obj, found, body, body, strategy)


async def delete(obj: KubeObject, kube: Kube | None, impersonate: str | None) -> Request:
    """The request that deletes the object; one that is not there is deleted already. Raises `ClientError`."""
    found = await read(kube, obj, impersonate)
    gone = found is None and kube is not None
    header = {key: obj[key] for key in ("apiVersion", "kind")}
    header["metadata"] = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return _request("delete", obj, found or {}, None if gone else header, header)


async def execute(kube: Kube | None, request: Request, firing: Firing, impersonate: str | None) -> Target:
    """Do what a request of this module, or one that makes an object, says. Raises `ClientError` and `TriggerError`."""
    kube = objects.cluster(kube)
    target, (strategy, body) = request.target, request.body
    place = (target.api_version, target.kind, target.name, target.namespace or None)
    match target.operation:
        case _ if body is None:
            pass  # it is so already
        case "update":
            await kube.replace(body, impersonate=impersonate)
        case "patch":
            try:
                await kube.patch(*place, body, patch_type=strategy, manager=_manager(strategy, firing), impersonate=impersonate)
            except Refused as refusal:
                if strategy == JSON_PATCH and refusal.status == 422 and await _changed_since(kube, target, body):
                    raise Refused(refusal.target, 409, "Conflict", "somebody else changed the object meanwhile") from refusal
                raise
        case "delete":
            await kube.delete(*place, uid=target.uid, impersonate=impersonate)
        case _:
            await kube.create(body, namespace=target.namespace or None, impersonate=impersonate)
    return target


def merged(old: Any, new: Any) -> Any:
    """`new` over `old`: maps are merged, key by key; everything else, lists, `null` and empty values included, takes the place of what
    was there (as mergo's `WithOverride` does with the maps of an object). Neither is changed."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: merged(old[key], value) if key in old else value for key, value in new.items()}


def _creation(obj: KubeObject, work: Work) -> Request:
    """As argo-events does, without the labels of a created object; but for ours, by which it is recognised."""
    metadata = obj["metadata"]
    body = obj | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | {FIRING_LABEL: work.firing.id}}}
    return _request("", obj, {}, body, body)


def _request(operation: str, obj: KubeObject, found: Mapping[str, Any], body: Any, preview: Any, strategy: str = "") -> Request:
    metadata = obj["metadata"]
    canonical = orjson.dumps([operation, strategy, body], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(canonical).hexdigest()
    namespace = metadata.get("namespace") or ""
    target = Target(obj["apiVersion"], obj["kind"], namespace, metadata["name"], digest, operation, _uid(found))
    shown = {"operation": operation or "create", "object": preview}
    if operation == "patch":
        shown = {"operation": "patch", "target": _title(obj), "patchStrategy": strategy, "patch": preview}
    return Request(target, shown, (strategy, body))


def _manager(strategy: str, firing: Firing) -> str:
    """The field manager of an apply: the trigger, for its dead letters another one."""
    if strategy != APPLY:
        return ""
    name = "/".join(("tiphys", *firing.key, *(["dlq"] if firing.dlq else [])))
    if len(name) <= _LONGEST_MANAGER:
        return name
    return f"{name[: _LONGEST_MANAGER - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _uid(found: Mapping[str, Any]) -> str:
    return str((found.get("metadata") or {}).get("uid") or "")


def _marked(obj: KubeObject, firing: Firing) -> KubeObject:
    metadata = obj["metadata"]
    annotations = metadata.get("annotations")
    noted = (annotations if isinstance(annotations, dict) else {}) | {LAST_FIRING: firing.id}
    return obj | {"metadata": metadata | {"annotations": noted}}


def _steps(steps: Any, found: Mapping[str, Any], firing: Firing) -> list[Any]:
    """The steps between what they are meant for and the mark of the firing."""
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise TriggerError("InvalidPatch", "a JSON patch is a list of steps below patch, each with op and path")
    metadata = found.get("metadata") or {}
    tests = [
        {"op": "test", "path": f"/metadata/{key}", "value": metadata[key]}
        for key in ("uid", "resourceVersion")
        if metadata.get(key)
    ]
    mark: dict[str, Any] = {"op": "add", "path": "/metadata/annotations", "value": {LAST_FIRING: firing.id}}
    if metadata.get("annotations"):
        mark = {"op": "add", "path": f"/metadata/annotations/{LAST_FIRING.replace('/', '~1')}", "value": firing.id}
    return [*tests, mark, *steps]


async def _changed_since(kube: Kube, target: Target, steps: list[dict[str, Any]]) -> bool:
    found = await kube.get(target.api_version, target.kind, target.name, target.namespace or None)
    metadata = (found or {}).get("metadata") or {}
    return any(
        step["op"] == "test" and step["path"] == f"/metadata/{key}" and metadata.get(key) != step["value"]
        for step in steps[:2]
        for key in ("uid", "resourceVersion")
    )


def _title(obj: Mapping[str, Any]) -> str:
    metadata = obj["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{obj['kind']} {where}{metadata['name']}"
