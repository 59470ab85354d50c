"""A CronWorkflow becomes a calendar with a Sensor that makes its Workflow.

Followed: CronWorkflow of argo-workflows 3.6 and 4.0. Each tick is a firing: one Workflow for each instant, also over crashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tiphys.app.moving.remarks import Moved

__all__ = ["move_cron_workflow"]

_SHORTHANDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.+)")
_SCHEDULED: Final = "workflows.argoproj.io/scheduled-time"
_TICK: Final = '{{ .Input.eventTime | toDate "2006-01-02 15:04:05 -0700 MST" | date "2006-01-02T15:04:05Z07:00" }}'
_DROPPED: Final = {
    "successfulJobsHistoryLimit": "ttlStrategy.secondsAfterSuccess in the Workflow's spec",
    "failedJobsHistoryLimit": "ttlStrategy.secondsAfterFailure in the Workflow's spec",
}


def move_cron_workflow(moved: Moved, name: str, account: str) -> None:
    """Write the EventSource and the Sensor, called `name`. `account` is the service account that makes the Workflows."""
    spec = moved.document.object.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    schedules = list(_schedules(spec))
    if not schedules or not isinstance(spec.get("workflowSpec"), dict):
        moved.say("by hand", "spec", "has no schedule or no workflowSpec", "complete it first")
        return
    entries = {("tick" if not place else f"tick-{place + 1}"): _entry(spec, text) for place, text in enumerate(schedules)}
    moved.objects = [_source(moved, name, entries), _sensor(moved, name, list(entries), spec, account)]
    _remark(moved, spec)


def _schedules(spec: dict[str, Any]) -> Iterator[str]:
    given = spec.get("schedules") or ([spec["schedule"]] if spec.get("schedule") else [])
    yield from (str(text).strip() for text in given)


def _entry(spec: dict[str, Any], schedule: str) -> dict[str, Any]:
    zone = spec.get("timezone") or ""
    if found := _ZONE.fullmatch(schedule):
        zone, schedule = found[1], found[2]
    every = schedule.removeprefix("@every ") if schedule.startswith("@every ") else ""
    entry: dict[str, Any] = {"interval": every.strip()} if every else {"schedule": _SHORTHANDS.get(schedule, schedule)}
    if zone:
        entry["timezone"] = zone
    if deadline := spec.get("startingDeadlineSeconds"):
        entry["persistence"] = {"catchup": {"enabled": True, "maxDuration": f"{deadline}s"}}
    return entry


def _source(moved: Moved, name: str, entries: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": moved.namespace}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "metadata": metadata, "spec": {"calendar": entries}}


def _sensor(moved: Moved, name: str, ticks: list[str], spec: dict[str, Any], account: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"generateName": f"{moved.name}-"}
    given = spec.get("workflowMetadata") or {}
    for field in ("labels", "annotations"):
        if given.get(field):
            metadata[field] = dict(given[field])
    metadata.setdefault("annotations", {})[_SCHEDULED] = ""
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec["workflowSpec"]}
    escaped = _SCHEDULED.replace(".", "\\.")
    parameters = [
        {"src": {"dependencyName": tick, "dataTemplate": _TICK}, "dest": f"metadata.annotations.{escaped}"} for tick in ticks
    ]
    trigger: dict[str, Any] = {}
    if policy := {"Forbid": "skip", "Replace": "replace"}.get(spec.get("concurrencyPolicy") or ""):
        trigger["concurrency"] = {"max": 1, "policy": policy}
    template: dict[str, Any] = {"name": "run"}
    if len(ticks) > 1:
        template["conditions"] = " || ".join(ticks)
    template["k8s"] = {"operation": "create", "source": {"resource": workflow}, "parameters": parameters}
    sensor: dict[str, Any] = {}
    if account:
        sensor["template"] = {"serviceAccountName": account}
    if spec.get("suspend"):
        sensor |= {"suspend": True, "onResume": "drop"}
    sensor["dependencies"] = [{"name": tick, "eventSourceName": name, "eventName": tick} for tick in ticks]
    sensor["triggers"] = [{"template": template, **trigger}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": name, "namespace": moved.namespace},
        "spec": sensor,
    }


def _remark(moved: Moved, spec: dict[str, Any]) -> None:
    moved.say(
        "note", "metadata.name", "both would run it", f"suspend it before the others are applied: argo cron suspend {moved.name}"
    )
    if spec.get("when"):
        moved.say("by hand", "spec.when", "is not carried over", "say it as a filter of the Sensor")
    if spec.get("stopStrategy"):
        moved.say("by hand", "spec.stopStrategy", "is not carried over", "suspend the Sensor when it is time")
    for field, remedy in _DROPPED.items():
        if field in spec:
            moved.say("differs", f"spec.{field}", "does not count here: nothing deletes finished Workflows", remedy)
    for place, text in enumerate(_schedules(spec)):
        if not re.match(r"(?:(?:CRON_)?TZ=\S+\s+)?(?:@every|@hourly|\*)", text):
            path = f"spec.schedules[{place}]" if spec.get("schedules") else "spec.schedule"
            moved.say(
                "differs",
                path,
                "runs once where the clocks change, also in the hour that does not exist",
                "dst: robfig is Argo's way",
            )
            break
    if "startingDeadlineSeconds" not in spec:
        moved.say(
            "note",
            "spec",
            "ticks that are missed while nothing runs are not made up, as before",
            "persistence.catchup makes them up",
        )
    if spec.get("concurrencyPolicy") in ("Forbid", "Replace"):
        moved.say("note", "spec.concurrencyPolicy", "counts the Workflows of this trigger, not those that the CronWorkflow made")
