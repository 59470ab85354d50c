"""From what was read to what takes its place, object by object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tiphys.app.admission import API_VERSION, identity
from tiphys.app.adoption import LABEL
from tiphys.app.lint import Finding, lint_documents
from tiphys.app.moving.cronworkflows import move_cron_workflow
from tiphys.app.moving.eventbindings import move_event_bindings
from tiphys.app.moving.remarks import FINALIZERS, Moved, Remark, Weight, bare_metadata
from tiphys.app.templates import TEMPLATE_KINDS
from tiphys.schema.loader import Document

__all__ = ["READ", "plan_move"]

READ: Final = ("EventBus", "EventSource", "Sensor", "WorkflowEventBinding", "CronWorkflow", *TEMPLATE_KINDS)
"""Kinds of `argoproj.io/v1alpha1` that are read; templates only to check arguments by."""
_POD: Final = ("container", "nodeSelector", "tolerations", "volumes", "affinity", "securityContext", "priorityClassName")
_SAID_HERE: Final = frozenset(("embedded-bus", "removed-fields"))
_WEIGHTS: Final[dict[str, Weight]] = {"error": "by hand", "warning": "differs", "information": "note"}


def plan_move(documents: Sequence[Document], namespace: str, account: str = "") -> tuple[list[Moved], list[dict[str, Any]]]:
    """What each object becomes, in the order given, and what several of them share. `namespace` is that of objects that name none,
    `account` the service account of Sensors that are written for CronWorkflows and WorkflowEventBindings (default: none named)."""
    moved = []
    for document in documents:
        kind, space, name = identity(document.object, namespace)
        if document.object.get("apiVersion") == API_VERSION and kind in READ:
            moved.append(Moved(document, kind, space, name))
    findings = _findings([one.document for one in moved], namespace)
    taken = {(one.namespace, one.name) for one in moved if one.kind in ("EventSource", "Sensor")}
    for one in moved:
        if one.kind in ("EventBus", "EventSource", "Sensor"):
            _as_it_is(one, findings.get(id(one.document), ()))
        elif one.kind == "CronWorkflow":
            name = one.name if (one.namespace, one.name) not in taken else f"{one.name}-schedule"
            move_cron_workflow(one, name, account)
            _say_who(one, account)
    bindings = [one for one in moved if one.kind == "WorkflowEventBinding"]
    shared = move_event_bindings(bindings, account)
    for one in bindings:
        _say_who(one, account)
    moved = [one for one in moved if one.kind not in TEMPLATE_KINDS]
    _say_clashes(moved)
    for obj in [*shared, *(obj for one in moved for obj in one.objects)]:
        if obj["kind"] != "Secret":
            obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), LABEL: "true"}
    return moved, shared


def _say_clashes(moved: Sequence[Moved]) -> None:
    """Two objects of one name: the one that is read first has it."""
    first: dict[tuple[str, str, str], Moved] = {}
    for one in moved:
        for obj in one.objects:
            key = (obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])
            if (other := first.setdefault(key, one)) is not one:
                text = f"{key[0]} {key[2]} takes the place of {other.kind} {other.name} as well"
                one.say("by hand", "metadata.name", text, "give one of them another name")


def _say_who(moved: Moved, account: str) -> None:
    if moved.objects and not account:
        text = "its Sensor acts as the service account `default` of the namespace"
        moved.say("differs", "metadata.namespace", text, "--account NAME names another; it needs create and get on workflows")


def _findings(documents: Sequence[Document], namespace: str) -> dict[int, list[Finding]]:
    """Lint's findings by the document that they are of. All are judged together, as one installation."""
    found: dict[int, list[Finding]] = {}
    starts: dict[str, list[tuple[int, int]]] = {}
    for document in documents:
        starts.setdefault(document.origin, []).append((document.line(), id(document)))
    for finding in lint_documents(documents, namespace):
        before = [start for start in starts.get(finding.file, ()) if start[0] <= finding.line]
        if before:
            found.setdefault(max(before)[1], []).append(finding)
    return found


def _as_it_is(moved: Moved, findings: Sequence[Finding]) -> None:
    obj = moved.document.object
    spec = _map(obj.get("spec"))
    metadata = bare_metadata(obj.get("metadata") or {}, moved.namespace)
    for one in findings:
        if one.name not in _SAID_HERE:
            moved.remarks.append(Remark(_WEIGHTS[one.level], one.path, one.text, one.remedy, one.where))
    if moved.kind == "EventBus":
        moved.say("note", "spec", "its events are kept in Tiphys' own log", "delete it when the last Sensor has moved")
        return
    if any(one in FINALIZERS for one in (obj.get("metadata") or {}).get("finalizers") or ()):
        text = "argo-events' finalizer holds up its deletion once its controller is gone"
        moved.say("differs", "metadata.finalizers", text, "take it off when it has moved (docs/migration.md)")
    moved.objects = [{"apiVersion": obj["apiVersion"], "kind": moved.kind, "metadata": metadata, "spec": obj.get("spec")}]
    if moved.kind == "Sensor":
        _of_sensor(moved, spec)
    else:
        _of_source(moved, spec)


def _of_sensor(moved: Moved, spec: dict[str, Any]) -> None:
    triggers = [one for one in spec.get("triggers") or () if isinstance(one, dict)]
    unsaid = [place for place, one in enumerate(triggers) if "atLeastOnce" not in one]
    if unsaid:
        text = "fires at least once (argo-events: at most once), and is recognised when it is tried again"
        moved.say("differs", f"spec.triggers[{unsaid[0]}]", text, "atLeastOnce: false is argo-events' way")
    untried = [place for place, one in enumerate(triggers) if not one.get("retryStrategy")]
    if untried:
        moved.say("differs", f"spec.triggers[{untried[0]}]", "is tried for 24 hours while its target is away (argo-events: once)")
    template = _map(spec.get("template"))
    account = template.get("serviceAccountName") or "default"
    moved.say(
        "note", "spec", f"acts as the service account {account}, which keeps its rights and needs get on what it creates as well"
    )
    _of_pod(moved, template)


def _of_source(moved: Moved, spec: dict[str, Any]) -> None:
    template = _map(spec.get("template"))
    _of_pod(moved, template)
    for kind, entries in spec.items():
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            hook = _map(_map(entry).get("webhook", entry))
            port = str(hook.get("port") or "")
            if port and port != "12000" and "endpoint" in hook and "service" not in spec:
                text = f"port {port} is opened by Tiphys' own pod"
                moved.say("note", f"spec.{kind}.{name}", text, "chart: service.extraPorts")
            if kind == "calendar" and isinstance(entry, dict) and entry.get("schedule") and "dst" not in entry:
                text = "runs once where the clocks change, also in the hour that does not exist"
                moved.say("differs", f"spec.calendar.{name}.schedule", text, "dst: robfig is argo-events' way")
    if "service" in spec:
        moved.say(
            "note", "spec.service", "its Service leads to Tiphys once argo-events has let go of it", "chart: eventSourceServices"
        )


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _of_pod(moved: Moved, template: dict[str, Any]) -> None:
    named = [field for field in _POD if template.get(field)]
    if named:
        moved.say("note", "spec.template", f"has no pod of its own: {', '.join(named)} without effect")
