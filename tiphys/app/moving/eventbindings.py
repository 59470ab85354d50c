"""WorkflowEventBindings become webhooks at the URLs of the Argo Server, and Sensors.

Bindings of one URL share an entry; one that is alone there keeps its selector as the entry's filter, in its own language.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from tiphys.app.moving.expressions import Comparisons, Untranslatable, discriminator_of, filter_of, template_of
from tiphys.app.moving.remarks import Moved

__all__ = ["SOURCE", "move_event_bindings"]

SOURCE: Final = "workflow-events"
_ALL: Final = "all"
_DEPENDENCY: Final = "event"


def move_event_bindings(bindings: Sequence[Moved], account: str) -> list[dict[str, Any]]:
    """Write each binding's Sensor; returns the EventSources and Secrets that they share, one of each for a namespace."""
    at: dict[tuple[str, str], list[Moved]] = defaultdict(list)
    for moved in bindings:
        selector = _selector(moved)
        try:
            at[moved.namespace, discriminator_of(selector) or ""].append(moved)
        except Untranslatable as fault:
            moved.say("by hand", "spec.event.selector", fault.reason, "write its EventSource and Sensor by hand")
    entries: dict[str, dict[str, Any]] = defaultdict(dict)
    for (namespace, discriminator), here in at.items():
        for name, entry in _at_one_url(here, namespace, discriminator, account):
            entries[namespace][name] = entry
    return [obj for namespace, found in entries.items() for obj in _shared(namespace, found)]


def _selector(moved: Moved) -> str:
    spec = moved.document.object.get("spec") or {}
    return str((spec.get("event") or {}).get("selector") or "true")


def _at_one_url(here: list[Moved], namespace: str, discriminator: str, account: str) -> list[tuple[str, dict[str, Any]]]:
    name = re.sub(r"[^a-z0-9]+", "-", discriminator.lower()).strip("-") or _ALL
    entry: dict[str, Any] = {
        "endpoint": f"/api/v1/events/{namespace}/{discriminator}",
        "port": "12000",
        "method": "POST",
        "authSecret": {"name": SOURCE, "key": "token"},
    }
    written = False
    for moved in here:
        try:
            exprs = None
            if len(here) > 1:
                exprs = Comparisons(_selector(moved), discriminator).entry()
            elif (text := filter_of(_selector(moved), discriminator, namespace)) != "true":
                entry["filter"] = {"expression": text}
            _sensor(moved, name, exprs, account)
        except Untranslatable as fault:
            moved.objects = []
            moved.say("by hand", "spec.event.selector", fault.reason, "write its Sensor by hand")
        else:
            written = True
            _remark(moved, discriminator, shared=len(here) > 1)
    return [(name, entry)] if written else []


def _sensor(moved: Moved, entry: str, exprs: dict[str, Any] | None, account: str) -> None:
    submit = (moved.document.object.get("spec") or {}).get("submit") or {}
    ref = submit.get("workflowTemplateRef") or {}
    if not ref.get("name"):
        raise Untranslatable("it submits nothing")
    arguments = {}
    for place, parameter in enumerate((submit.get("arguments") or {}).get("parameters") or ()):
        try:
            arguments[parameter["name"]] = template_of(str((parameter.get("valueFrom") or {}).get("event") or ""), _DEPENDENCY)
        except Untranslatable as fault:
            path = f"spec.submit.arguments.parameters[{place}].valueFrom.event"
            moved.say("by hand", path, fault.reason, f"write the argument {parameter['name']} in the Sensor")
    workflow: dict[str, Any] = {
        "clusterTemplateRef" if ref.get("clusterScope") else "templateRef": {"name": ref["name"]},
        **_metadata(moved, submit.get("metadata") or {}),
    }
    if arguments:
        workflow["arguments"] = arguments
    dependency: dict[str, Any] = {"name": _DEPENDENCY, "eventSourceName": SOURCE, "eventName": entry}
    if exprs and exprs["expr"] != "true":
        dependency["filters"] = {"exprs": [exprs]}
    spec: dict[str, Any] = {"template": {"serviceAccountName": account}} if account else {}
    spec |= {"dependencies": [dependency], "triggers": [{"template": {"name": "submit", "workflow": workflow}}]}
    moved.objects = [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Sensor",
            "metadata": {"name": moved.name, "namespace": moved.namespace},
            "spec": spec,
        }
    ]


def _metadata(moved: Moved, metadata: dict[str, Any]) -> dict[str, Any]:
    """Labels and generateName that are texts; what an event decides, and names and annotations, are for a person."""
    found: dict[str, Any] = {"labels": {"workflows.argoproj.io/workflow-event-binding": moved.name}}
    for key, text in (metadata.get("labels") or {}).items():
        if isinstance(literal := _literal(text), str):
            found["labels"][key] = literal
        else:
            moved.say(
                "by hand", f"spec.submit.metadata.labels.{key}", "is decided by the event", "use a k8s trigger with a parameter"
            )
    for field in ("name", "annotations"):
        if metadata.get(field):
            moved.say(
                "by hand", f"spec.submit.metadata.{field}", "has no place in the short form", "use a k8s trigger with a parameter"
            )
    if text := metadata.get("generateName"):
        if isinstance(literal := _literal(text), str):
            found["generateName"] = literal
        else:
            moved.say(
                "by hand", "spec.submit.metadata.generateName", "is decided by the event", "use a k8s trigger with a parameter"
            )
    return found


def _literal(text: Any) -> str | None:
    try:
        found = template_of(str(text), _DEPENDENCY)
    except Untranslatable:
        return None
    return found if isinstance(found, str) and "{{" not in found else None


def _remark(moved: Moved, discriminator: str, *, shared: bool) -> None:
    moved.say("note", "metadata.name", "both would run it", "delete it once senders come here, or let them come here only then")
    url = f"/api/v1/events/{moved.namespace}/{discriminator}"
    moved.say(
        "differs", "spec.event", f"senders need the token of Secret {SOURCE} at {url}", "put the token that they use now into it"
    )
    if not discriminator:
        moved.say(
            "differs",
            "spec.event.selector",
            "other discriminators than none are not answered",
            "add an entry for each that is used",
        )
    if shared:
        moved.say(
            "differs", "spec.event.selector", "a value that is missing is an error: the event is dropped, and explain says so"
        )
    moved.say("differs", "spec.submit", "the Workflow is made by the Sensor's service account, not by the sender's token")


def _shared(namespace: str, entries: dict[str, Any]) -> list[dict[str, Any]]:
    metadata = {"name": SOURCE, "namespace": namespace}
    return [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "metadata": metadata, "spec": {"webhook": entries}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "stringData": {"token": "CHANGE-ME"}},
    ]
