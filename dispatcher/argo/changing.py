"""The changes that suspend, resume, stop and terminate make to a Workflow, as JSON merge patches; `None`: there is nothing to change. Pure.

Followed: workflow/util/util.go (`SuspendWorkflow`, `ResumeWorkflow`, `patchShutdownStrategy`). Where the CLI replaces the whole object, the
patch has the parts that differ.
"""

from __future__ import annotations

from typing import Any, Final

from dispatcher.argo import names
from dispatcher.argo.nodes import compressed, is_compressed, nodes_of, now
from tiphys.clients.kube import KubeObject
from tiphys.errors import TriggerError

__all__ = ["is_over", "resume", "shutdown", "suspend"]

_OVER: Final = ("Succeeded", "Failed", "Error")
_STRATEGIES: Final = {"terminate": "Terminate", "stop": "Stop"}


def is_over(workflow: KubeObject) -> bool:
    """Whether the Workflow has ended."""
    return (workflow.get("status") or {}).get("phase") in _OVER


def suspend(workflow: KubeObject) -> dict[str, Any] | None:
    """Hold the Workflow. Raises `TriggerError` `WorkflowCompleted`."""
    if _labels(workflow).get(names.COMPLETED) == "true":
        raise TriggerError("WorkflowCompleted", f"Workflow {workflow['metadata']['name']} has ended and cannot be suspended")
    if (workflow.get("spec") or {}).get("suspend"):
        return None
    return _without_actor(workflow, {"spec": {"suspend": True}})


def resume(workflow: KubeObject) -> dict[str, Any] | None:
    """Let the Workflow go on: it is no longer held, and the suspend steps that it waits in have succeeded.

    Raises `TriggerError` `OutputMissing` for a step that waits for an output without a default, and `NodesOutOfReach`.
    """
    patch: dict[str, Any] = {}
    if (workflow.get("spec") or {}).get("suspend"):
        patch["spec"] = {"suspend": None}
    nodes = nodes_of(workflow)
    waiting = {key: node for key, node in nodes.items() if node.get("type") == "Suspend" and node.get("phase") == "Running"}
    if waiting:
        resumed = {key: _succeeded(node) for key, node in waiting.items()}
        if is_compressed(workflow.get("status") or {}):
            full = nodes | {key: nodes[key] | change for key, change in resumed.items()}
            patch["status"] = {"compressedNodes": compressed(full)}
        else:
            patch["status"] = {"nodes": resumed}
    return _without_actor(workflow, patch) if patch else None


def shutdown(workflow: KubeObject, operation: str) -> dict[str, Any]:
    """`terminate` the Workflow at once, or `stop` it after its exit handlers. Raises `TriggerError` `WorkflowCompleted`."""
    if is_over(workflow):
        raise TriggerError("WorkflowCompleted", f"Workflow {workflow['metadata']['name']} has ended already")
    return {"spec": {"shutdown": _STRATEGIES[operation]}}


def _succeeded(node: dict[str, Any]) -> dict[str, Any]:
    change: dict[str, Any] = {"phase": "Succeeded", "finishedAt": now()}
    outputs = node.get("outputs")
    if outputs and outputs.get("parameters"):
        change["outputs"] = outputs | {"parameters": [_supplied(one) for one in outputs["parameters"]]}
    return change


def _supplied(parameter: dict[str, Any]) -> dict[str, Any]:
    """An output that nobody supplied gets its default."""
    source = parameter.get("valueFrom") or {}
    if "supplied" not in source:
        return parameter
    if "default" not in source:
        text = f"output parameter {parameter.get('name')!r} of a suspended step was not supplied and has no default"
        raise TriggerError("OutputMissing", text)
    return {key: value for key, value in parameter.items() if key != "valueFrom"} | {"value": source["default"]}


def _without_actor(workflow: KubeObject, patch: dict[str, Any]) -> dict[str, Any]:
    """Who did the last action is not who did this one."""
    stale = {label: None for label in names.ACTOR if label in _labels(workflow)}
    return {"metadata": {"labels": stale}, **patch} if stale else patch


def _labels(workflow: KubeObject) -> dict[str, Any]:
    return workflow["metadata"].get("labels") or {}
