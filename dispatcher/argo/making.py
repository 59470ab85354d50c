"""The Workflows that submit, submit-from and resubmit make. Pure.

Followed: workflow/util/util.go (`ApplySubmitOpts`, `FormulateResubmitWorkflow`), workflow/common/convert.go, and the checks of
server/workflow/workflow_server.go (`SubmitWorkflow`). Labels that say who did it are the Argo Server's to set, and left out as it does
without a login.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.argo import names
from dispatcher.argo.options import Options
from dispatcher.naming import FIRING_LABEL, LAST_FIRING, label_value
from dispatcher.trigger import Declared
from tiphys.clients.kube import KubeObject
from tiphys.errors import TriggerError

__all__ = ["apply_options", "check_required", "from_cron_workflow", "from_template", "override_parameters", "resubmitted"]

_NOT_CARRIED_OVER = frozenset((*names.CREATOR, names.PHASE, names.COMPLETED, names.ARCHIVING, FIRING_LABEL))


def apply_options(workflow: KubeObject, options: Options) -> KubeObject:
    """The Workflow with the options in it; the argument is left alone. Raises `TriggerError` `InvalidObject` where it has not the shape
    of one."""
    metadata, spec = dict(_map(workflow, "metadata")), dict(_map(workflow, "spec"))
    given = {"entrypoint": options.entrypoint, "serviceAccountName": options.service_account, "priority": options.priority}
    spec |= {key: value for key, value in given.items() if value not in ("", None)}
    for key, added in (("labels", options.labels), ("annotations", options.annotations)):
        if added:
            metadata[key] = _map(metadata, key) | dict(added)
    metadata |= {key: text for key, text in (("generateName", options.generate_name), ("name", options.name)) if text}
    if options.generate_name and not options.name:
        metadata.pop("name", None)
    return workflow | {"metadata": metadata, "spec": override_parameters(spec, options.parameters)}


def override_parameters(spec: Mapping[str, Any], parameters: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A Workflow's spec with these arguments before those of its own that they do not replace."""
    if not parameters:
        return dict(spec)
    arguments = _map(spec, "arguments")
    given = {name for name, _ in parameters}
    own = [one for one in arguments.get("parameters") or () if not (isinstance(one, dict) and one.get("name") in given)]
    merged = [{"name": name, "value": value} for name, value in parameters]
    return {**spec, "arguments": arguments | {"parameters": merged + own}}


def from_template(name: str, *, cluster_scope: bool) -> KubeObject:
    """A Workflow of a WorkflowTemplate or ClusterWorkflowTemplate."""
    ref: dict[str, Any] = {"name": name}
    if cluster_scope:
        ref["clusterScope"] = True
    label = names.CLUSTER_TEMPLATE if cluster_scope else names.TEMPLATE
    metadata = {"generateName": f"{name}-", "labels": {label: label_value(name)}}
    return {"apiVersion": names.API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": {"workflowTemplateRef": ref}}


def check_required(declared: Declared, title: str, options: Options) -> None:
    """Argo Workflows refuses a submission without a value for a parameter that has none. Raises `TriggerError` `ArgumentsDisagree`."""
    given = {name for name, _ in options.parameters}
    missing = [name for name, one in declared.parameters.items() if one.required and name not in given]
    if missing:
        text = f"{title} needs a value for {', '.join(missing)}; add args: [-p, {missing[0]}=…]"
        raise TriggerError("ArgumentsDisagree", text, transient=True)


def from_cron_workflow(cron: KubeObject, scheduled: str) -> KubeObject:
    """A Workflow of a CronWorkflow, as its controller makes it; `scheduled` is the time that it is told, RFC 3339."""
    name = cron["metadata"]["name"]
    spec = _map(cron, "spec")
    meta = _map(spec, "workflowMetadata")
    own = _map(cron["metadata"], "labels")
    labels = {names.INSTANCE: own[names.INSTANCE]} if names.INSTANCE in own else {}
    owner = {"apiVersion": names.API_VERSION, "kind": "CronWorkflow", "name": name, "uid": cron["metadata"].get("uid", "")}
    metadata: dict[str, Any] = {
        "generateName": f"{name}-",
        "labels": labels | {names.CRON_WORKFLOW: name} | _map(meta, "labels"),
        "annotations": {names.SCHEDULED: scheduled} | _map(meta, "annotations"),
        "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
    }
    if meta.get("finalizers"):
        metadata["finalizers"] = list(meta["finalizers"])
    workflow_spec = copy.deepcopy(_map(spec, "workflowSpec"))
    return {"apiVersion": names.API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": workflow_spec}


def resubmitted(workflow: KubeObject, options: Options) -> KubeObject:
    """A new Workflow with the spec of an old one, which may have ended in any way."""
    old = workflow["metadata"]
    labels = {key: value for key, value in _map(old, "labels").items() if key not in _NOT_CARRIED_OVER}
    annotations = {key: value for key, value in _map(old, "annotations").items() if key != LAST_FIRING}
    metadata: dict[str, Any] = {
        "generateName": old.get("generateName") or f"{old['name']}-",
        "namespace": old.get("namespace", ""),
        "labels": labels | {names.PREVIOUS: old["name"]},
        "annotations": annotations,
    }
    if old.get("ownerReferences"):
        metadata["ownerReferences"] = copy.deepcopy(old["ownerReferences"])
    spec = reopened(_map(workflow, "spec"))
    made = {"apiVersion": names.API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}
    return apply_options(made, options)


def reopened(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without what stopped or terminated it."""
    kept = {key: copy.deepcopy(value) for key, value in spec.items() if key != "shutdown"}
    if kept.get("activeDeadlineSeconds") == 0:
        del kept["activeDeadlineSeconds"]
    return kept


def _map(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = holder.get(key) or {}
    if not isinstance(value, dict):
        raise TriggerError("InvalidObject", f"{key} must be a map")
    return value
