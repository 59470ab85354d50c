"""What `argo retry` makes of a failed Workflow: the same object with its failed steps forgotten, and the pods to delete. Pure.

Followed: workflow/util/util.go (`FormulateRetryWorkflow` and what it calls), without the restart of successful nodes. The graph of nodes is
walked breadth first from the root: from each failed step, everything below it is deleted and everything on the way up to the root is set
running again, so that the controller takes the way down once more.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from dispatcher.argo import names
from dispatcher.argo.making import override_parameters, reopened
from dispatcher.argo.nodes import Nodes, compressed, is_compressed, nodes_of, now
from tiphys.clients.kube import KubeObject
from tiphys.errors import TriggerError

__all__ = ["Retried", "pod_name", "retried"]

_FAILED: Final = ("Failed", "Error")
_GROUPS: Final = ("DAG", "TaskGroup", "StepGroup", "Steps")
_EXECUTIONS: Final = ("Container", "Pod", "HTTP", "Plugin")
_PREFIX: Final = 253 - 10 - 1


class Retried(NamedTuple):
    """The Workflow to put in place of the old one, and the names of the pods to delete first."""

    workflow: KubeObject
    pods: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Node:
    """A node in the graph; of several parents one is kept, as there."""

    id: str
    status: dict[str, Any]
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)

    @property
    def type(self) -> str:
        return str(self.status.get("type", ""))

    def below(self) -> set[str]:
        """The ids of all below it."""
        found: set[str] = set()
        queue = deque(self.children)
        while queue:
            node = queue.popleft()
            if node.id not in found:
                found.add(node.id)
                queue.extend(node.children)
        return found


def retried(workflow: KubeObject, parameters: Sequence[tuple[str, str]]) -> Retried:
    """A failed Workflow made ready to go on. Raises `TriggerError`: `WorkflowNotFailed`, `NodesOutOfReach`."""
    status = workflow.get("status") or {}
    phase = status.get("phase") or "Pending"
    name = workflow["metadata"]["name"]
    if phase not in _FAILED:
        raise TriggerError("WorkflowNotFailed", f"Workflow {name} is {phase}; only one that is Failed or Error can be retried")
    nodes = nodes_of(workflow)
    graph = _graph(nodes, name)
    order = _breadth_first(graph, name)
    reset: set[str] = set()
    deleted: set[str] = set()
    failed = _failed(nodes)
    for node in order:
        if node.id in failed and node.id not in deleted:
            up, down = _path(node)
            reset |= up
            deleted |= down
    if parameters:  # so that the controller expands groups anew, with the new values (argo-workflows#15802)
        for group in reset - deleted:
            if graph[group].type in ("TaskGroup", "StepGroup"):
                deleted |= graph[group].below()
    kept = _kept(nodes, reset - deleted, deleted, f"{name}.onExit")
    pods = dict.fromkeys(pod_name(workflow, nodes[key]) for key in nodes if key in deleted and nodes[key].get("type") == "Pod")
    pods |= dict.fromkeys(pod_name(workflow, node) for node in _exit_handler(nodes, f"{name}.onExit"))
    return Retried(_renewed(workflow, kept, parameters), tuple(pods))


def pod_name(workflow: KubeObject, node: Mapping[str, Any]) -> str:
    """The name of a node's pod (workflow/util/pod_name.go)."""
    annotations = workflow["metadata"].get("annotations") or {}
    if annotations.get(names.POD_NAMES) == "v1":
        return str(node["id"])
    name = workflow["metadata"]["name"]
    if node["name"] == name:
        return str(name)
    template = (node.get("templateRef") or {}).get("template") or node.get("templateName") or ""
    prefix = f"{name}-{template}" if template else name
    return f"{prefix[:_PREFIX]}-{_fnv32a(node['name'].encode())}"


def _fnv32a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def _graph(nodes: Nodes, root: str) -> dict[str, _Node]:
    graph = {key: _Node(key, node) for key, node in nodes.items()}
    for key in sorted(nodes):
        for child in nodes[key].get("children") or ():
            if child not in graph:
                raise TriggerError("NodesOutOfReach", f"node {key} has a child {child} that the Workflow's status lacks")
            graph[key].children.append(graph[child])
            graph[child].parent = graph[key]
    for node in graph.values():
        name = node.status.get("name", "")
        if node.parent is None and name != root and not name.startswith(f"{root}.onExit"):
            raise TriggerError("NodesOutOfReach", f"node {node.id} of the Workflow's status has no parent")
    return graph


def _breadth_first(graph: Mapping[str, _Node], root: str) -> list[_Node]:
    first = next((node for node in graph.values() if node.status.get("name") == root), None)
    if first is None:
        raise TriggerError("NodesOutOfReach", "the Workflow's status has no node of its entrypoint")
    order, seen, queue = [], {first.id}, deque([first])
    while queue:
        node = queue.popleft()
        order.append(node)
        for child in node.children:
            if child.id not in seen:
                seen.add(child.id)
                queue.append(child)
    return order


def _failed(nodes: Nodes) -> set[str]:
    """Steps that failed and below which nothing succeeded."""
    found = set()
    for key, node in nodes.items():
        if node.get("phase") not in _FAILED or node.get("type") not in _EXECUTIONS:
            continue
        start = node
        if (node.get("nodeFlag") or {}).get("retried"):
            parents = (one for one in nodes.values() if one.get("type") == "Retry" and key in (one.get("children") or ()))
            start = next(parents, node)
        if not _succeeded_below(nodes, start):
            found.add(key)
    return found


def _succeeded_below(nodes: Nodes, node: Mapping[str, Any]) -> bool:
    seen: set[str] = set()
    queue = deque(node.get("children") or ())
    while queue:
        key = queue.popleft()
        if key in seen or key not in nodes:
            continue
        seen.add(key)
        if nodes[key].get("phase") == "Succeeded":
            return True
        queue.extend(nodes[key].get("children") or ())
    return False


def _path(start: _Node) -> tuple[set[str], set[str]]:
    """From a failed node: what is set running again on the way to the root, and what is deleted."""
    deleted = start.below() | {start.id}
    reset: set[str] = set()
    if start.parent is None:
        return reset, deleted
    node: _Node | None = start
    while node is not None:
        if node.type in _GROUPS:
            reset.add(node.id)
            node = _boundaries(node, reset)
            continue
        if node.type == "Retry" and node.status.get("phase") in _FAILED:
            reset.add(node.id)
        elif node.type == "Container":
            node = _up(node, kind="Pod")
            reset.add(node.id)
            deleted |= node.below() | {node.id}
            continue
        node = node.parent
    return reset, deleted


def _boundaries(node: _Node, reset: set[str]) -> _Node | None:
    """Up through the templates that enclose a group."""
    while True:
        if node.parent is not None and node.parent.type == "Retry":
            reset.add(node.parent.id)
            node = node.parent
        if node.parent is not None and node.parent.type in ("StepGroup", "TaskGroup"):
            reset.add(node.parent.id)
        boundary = node.status.get("boundaryID") or ""
        if not boundary:
            return node.parent
        node = _up(node, key=boundary)
        reset.add(node.id)


def _up(start: _Node, *, kind: str = "", key: str = "") -> _Node:
    """The nearest of that type, or with that id, on the way up, beginning with `start` itself."""
    node: _Node | None = start
    while node is not None and not (node.type == kind or node.id == key):
        node = node.parent
    if node is None:
        raise TriggerError("NodesOutOfReach", "the Workflow's status lacks a node that encloses a failed one")
    return node


def _kept(nodes: Nodes, reset: set[str], deleted: set[str], on_exit: str) -> Nodes:
    kept: Nodes = {}
    for key, node in nodes.items():
        if key in reset:
            kept[key] = _reset(node)
        elif key not in deleted and not node.get("name", "").startswith(on_exit):
            kept[key] = copy.deepcopy(node)
    for node in kept.values():
        for links in ("children", "outboundNodes"):
            left = [one for one in node.pop(links, None) or () if one not in deleted]
            if left:
                node[links] = left
    return kept


def _reset(node: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: copy.deepcopy(value) for key, value in node.items() if key != "message"}
    if made.get("type") == "Suspend" and (made.get("outputs") or {}).get("parameters"):
        supplied = [{"name": one.get("name", ""), "valueFrom": {"supplied": {}}} for one in made["outputs"]["parameters"]]
        made["outputs"]["parameters"] = supplied
    if made.get("phase") != "Skipped":
        made["phase"] = "Running"
    return made | {"startedAt": now(), "finishedAt": None}


def _exit_handler(nodes: Nodes, on_exit: str) -> Iterable[Mapping[str, Any]]:
    """The exit handler and what it ran: it runs again."""
    queue = deque(key for key, node in nodes.items() if node.get("name") == on_exit)
    seen: set[str] = set()
    while queue:
        key = queue.popleft()
        if key in seen or key not in nodes:
            continue
        seen.add(key)
        yield nodes[key]
        queue.extend(nodes[key].get("children") or ())


def _renewed(workflow: KubeObject, nodes: Nodes, parameters: Sequence[tuple[str, str]]) -> KubeObject:
    """The Workflow without what says that it has ended."""
    old = workflow.get("status") or {}
    metadata = dict(workflow["metadata"])
    gone = {names.COMPLETED, names.ARCHIVING, *names.ACTOR}
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in gone}
    without = ("phase", "message", "persistentVolumeClaims", "compressedNodes", "nodes")
    status = {key: copy.deepcopy(value) for key, value in old.items() if key not in without}
    conditions = [one for one in status.get("conditions") or () if one.get("type") != "Completed"]
    status |= {"startedAt": now(), "finishedAt": None, "conditions": [*conditions, {"type": "Completed", "status": "False"}]}
    stored = status.get("storedWorkflowTemplateSpec")
    spec = override_parameters(reopened(workflow.get("spec") or {}), parameters)
    if isinstance(stored, dict):
        kept = {key: value for key, value in stored.items() if key != "shutdown"}
        given = spec.get("arguments") if parameters else None
        arguments = (kept.get("arguments") or {}) | {"parameters": given["parameters"]} if given else kept.get("arguments")
        status["storedWorkflowTemplateSpec"] = kept | ({"arguments": arguments} if arguments else {})
    status |= {"compressedNodes": compressed(nodes)} if is_compressed(old) else {"nodes": nodes}
    return {**workflow, "metadata": metadata, "spec": spec, "status": status}
